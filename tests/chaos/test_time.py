"""Clocks that are wrong, clocks that change, events days late: the right instant, and counted on the right day."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from zoneinfo import ZoneInfo

from dashboard.data import queries
from dashboard.data.freshness import Health, judge
from dashboard.data.pool import Warehouse
from shop_platform.operations.status import collect
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import REPEAT, dose
from tests.chaos.processes import read_everything
from tests.chaos.stream import UNTIL, at_another_time, from_dbt, history, late, repeated, send
from tests.dbt import events as e

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BERLIN = ZoneInfo("Europe/Berlin")

WRONG = (
    "0001-01-02T00:00:00Z", "0001-01-01T00:30:00-23:59", "0999-12-31T12:00:00Z", "1582-10-10T12:00:00Z",
    "1900-02-28T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "2000-02-29T00:00:00+14:00",
    "2001-09-09T01:46:40Z", "2038-01-19T03:14:08Z", "2099-12-31T23:59:59.999999Z", "2100-01-01T00:00:00.000001Z",
    "2500-06-15T08:00:00Z", "9999-12-30T23:59:59.999999Z", "9999-12-31T13:59:59.999999+14:00",
)  # fmt: skip


def any_time(settings: Settings) -> Settings:
    """Return settings that take the time of whatever clock: what landed before there were bounds must do no harm."""
    return settings.model_copy(update={"event_time_earliest": dt.date(1, 1, 2), "event_time_ahead_hours": 1e8})


def microseconds(time: str) -> int:
    return (dt.datetime.fromisoformat(time) - EPOCH) // dt.timedelta(microseconds=1)


def instants(settings) -> dict[str, int]:
    """Return the event time of everything that landed, as exact microseconds since 1970."""
    with connect(settings, Role.ADMIN) as admin:
        tables = [row[0] for row in admin.execute("select tablename from pg_tables where schemaname = 'raw'")]
        union = " union all ".join(f"select event_id, event_time from raw.{table}" for table in tables)
        rows = admin.execute(
            f"select event_id::text, (extract(epoch from event_time) * 1000000)::bigint from ({union}) as landed"
        )
        return dict(rows.fetchall())


def test_clocks_that_are_wrong(world, rng):
    settings = any_time(world.begin())
    messages = history(rng, dose(900, 9_000))
    skewed = {}
    for number in rng.sample(range(len(messages)), len(messages) // 8):
        if messages[number].fault == "":
            messages[number] = at_another_time(messages[number], rng.choice(WRONG))
            skewed[messages[number].event_id] = microseconds(messages[number].event_time)
    half = len(messages) // 2
    send(settings, messages[:half])
    read_everything(settings)
    world.transform()
    send(settings, messages[half:], "chaos-000002")
    read_everything(settings)
    world.prove(settings)
    landed = instants(settings)
    # A repetition of a skewed event tells the right time; whichever came first has landed.
    assert {event_id for event_id in skewed if event_id in landed}, REPEAT
    twice = {m.event_id for m, n in Counter(messages).items() if n > 1} | {m.event_id for m in messages if m.fault}
    wrong = {i: landed.get(i) for i, us in skewed.items() if i not in twice and landed.get(i) != us}
    assert not wrong, f"{wrong}; {REPEAT}"
    with connect(settings, Role.ADMIN) as admin:
        ahead = admin.execute("select count(*) from ops.ingest_offsets where watermark > now() + interval '5 min'")
        assert ahead.fetchone() == (0,), "a clock from the future makes everything after it late"


def test_the_days_when_the_clocks_change(world, rng):
    """An order every quarter of an hour, told in whatever offset: one Sunday has 23 hours of them, the other 25."""
    settings = world.begin()
    sundays = {dt.date(2026, 3, 29): 23, dt.date(2026, 10, 25): 25}
    quarters, messages = [], []
    for sunday in sundays:
        moment = dt.datetime.combine(sunday - dt.timedelta(days=1), dt.time(), BERLIN).astimezone(dt.UTC)
        while moment.astimezone(BERLIN).date() <= sunday + dt.timedelta(days=1):
            quarters.append(moment)
            moment += dt.timedelta(minutes=15)
    for number, moment in enumerate(quarters):
        placed = from_dbt(e.order_placed(f"ord_{number}", moment))
        for _ in range(rng.randint(1, 2)):  # the same instant in another zone is the same event told again
            zone = dt.timezone(dt.timedelta(minutes=rng.choice((-720, -210, -60, 0, 60, 120, 345, 840))))
            messages.append(at_another_time(placed, moment.astimezone(zone).isoformat()))
    rng.shuffle(messages)
    send(settings, messages)
    read_everything(settings)

    world.prove(settings)
    told = dict(world.dbt.rows("select date_day, orders_count from marts.kpi_daily"))
    assert told == Counter(moment.astimezone(BERLIN).date() for moment in quarters), f"{told}; {REPEAT}"
    assert {sunday: told[sunday] for sunday in sundays} == {sunday: 4 * hours for sunday, hours in sundays.items()}


def test_days_late_shuffled_and_repeated_is_as_if_all_had_come_in_time(world, rng):
    messages = history(rng, dose(1_200, 20_000), days=dose(9, 30))
    good = [m for m in messages if m.fault in {"", "duplicate", "late", "out_of_order"}]
    arrival = repeated(rng, late(rng, good, 0.4), 0.1)
    settings = world.begin()
    cuts = sorted(rng.randrange(len(arrival)) for _ in range(dose(2, 12)))
    for number, (begin, stop) in enumerate(zip([0, *cuts], [*cuts, len(arrival)], strict=True)):
        if number:
            world.transform()
        send(settings, arrival[begin:stop], f"chaos-{number:06d}")
        read_everything(settings)
    world.prove(settings)
    shuffled = world.marts()

    settings = world.begin()
    once = {m.event_id: m for m in good}.values()
    send(settings, sorted(once, key=lambda m: m.time_ms))
    read_everything(settings)
    world.prove(settings)
    in_order = world.marts()

    differing = [mart for mart in in_order if shuffled[mart] != in_order[mart]]
    assert not differing, f"{differing}; {REPEAT}"
    assert len(in_order["fct_orders"]) > 0 and len(in_order["fct_sessions"]) > 0


def test_a_clock_from_the_future_hides_nothing(world, rng):
    """The shop fell silent months ago; an order from the year 9999 must not make it look fresh, nor break a screen."""
    settings = any_time(world.begin())
    placed = from_dbt(e.order_placed("ord_of_the_future", UNTIL))
    send(settings, [*history(rng, 600), at_another_time(placed, "9999-12-30T23:59:59.999999Z")])
    read_everything(settings)
    world.prove(settings)

    warehouse = Warehouse(settings)
    try:
        coverage = queries.coverage(warehouse)
        freshness = judge(queries.freshness(warehouse), dt.datetime.now(BERLIN))
    finally:
        warehouse.close()
    assert coverage is not None and coverage.last_day.year <= UNTIL.year, f"{coverage}; {REPEAT}"
    assert freshness.health is Health.BAD, f"{freshness}; {REPEAT}"
    assert collect(settings).as_dict()
