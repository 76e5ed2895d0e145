"""Whatever a producer sends, it lands or becomes a dead letter, byte for byte; its neighbours never suffer."""

from __future__ import annotations

import pytest

from shop_platform.generator.parameters import NO_FAULTS
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import REPEAT, dose
from tests.chaos.poison import LANDS, TOPIC, every_kind, spoilt
from tests.chaos.processes import read_everything, victim
from tests.chaos.proof import prove
from tests.chaos.stream import as_message, history, send
from tests.chaos.wire import send_record
from tests.support.events import LedgerProducer, page_view


def patient(settings, **update):
    """Return settings that do not stop over a burst of dead letters."""
    return settings.model_copy(update={"ingest_dead_letter_burst": 0, **update})


def outcomes(settings):
    """Return what became of each id, and the bytes of the dead."""
    with connect(settings, Role.ADMIN) as admin:
        dead = admin.execute("select event_id::text, error_class, message_value from ops.dead_letters").fetchall()
        landed = admin.execute(f"select event_id::text from raw.{TOPIC.partition('.')[2]}").fetchall()
    return {row[0]: LANDS for row in landed} | {row[0]: row[1] for row in dead}, {row[0]: row[2] for row in dead}


def test_every_kind_of_poison_among_good_events(shop, rng):
    settings = patient(shop.settings, ingest_batch_messages=rng.randint(20, 200))
    kinds = [poison for _ in range(dose(1, 5)) for poison in every_kind()]
    producer = LedgerProducer(settings)
    mixed = [(p.event_id, p.value) for p in kinds]
    mixed += [(m.event_id, m.value) for m in (as_message(page_view(n)) for n in range(dose(200, 2_000)))]
    rng.shuffle(mixed)
    for event_id, value in mixed:
        producer.send_raw(TOPIC, value, event_id, partition=rng.randrange(6))
    producer.flush()

    read_everything(settings)

    found, kept = outcomes(settings)
    wrong = {p.name: found.get(p.event_id) for p in kinds if found.get(p.event_id) not in p.outcomes}
    assert not wrong, f"{wrong}; {REPEAT}"
    altered = [p.name for p in kinds if p.event_id in kept and kept[p.event_id] != p.value]
    assert not altered, f"{altered}; {REPEAT}"
    prove(settings)


def test_events_damaged_anywhere(shop, rng):
    settings = patient(shop.settings, ingest_batch_messages=500)
    messages = [
        m if rng.random() < 0.3 else spoilt(rng, m) for m in history(rng, dose(2_000, 40_000), faults=NO_FAULTS)
    ]
    send(settings, messages)
    read_everything(settings)
    prove(settings)


HEADERS = (
    [],
    [(b"plain", b"text"), (b"nothing", None), (b"bytes", b"\x00\xff")],
    [(b"a\xff\xfe", b"v")],
    [(b"ce_id", b"\xff"), (b"\xff", None)],
    [(b"", b""), (b"n\x00", b"\x00")],
    [(b"ce_id", None), (b"ce_time", None)],
    [(b"ce_time", b"2026-03-29T02:30:00+23:59")],
    [(b"ce_time", b"9999-12-31T23:59:59-01:00")],
    [(b"ce_time", b"0001-01-01T00:00:00+01:00")],
    [(b"ce_time", b"yesterday")],
)
TIMES_MS = (0, -1, -2, -62_135_596_800_001, -(2**63), 1_700_000_000_000)


@pytest.mark.parametrize(
    "value",
    [b"{", b'{"id": 7, "time": "2026-03-29T02:30:00-23:59"}', b'{"time": "9999-12-31T23:59:59-01:00"}', None],
    ids=["no_json", "no_event", "no_event_beyond_the_calendar", "a_valid_event"],
)
def test_what_no_good_client_sends(shop, tmp_path, value):
    """Header names that are no text, times that no calendar knows. In a process of its own: it may crash."""
    settings = patient(shop.settings)
    sent = 0
    for headers in HEADERS:
        for time_ms in TIMES_MS:
            page = as_message(page_view(sent))
            send_record(
                settings.kafka_bootstrap, TOPIC, sent % 3, value or page.value, headers=headers, time_ms=time_ms
            )
            sent += 1

    with victim(settings, tmp_path / "reader.log", "never") as process:
        assert process.wait() == 0, f"{process.tail()}; {REPEAT}"

    with connect(settings, Role.ADMIN) as admin:
        landed = admin.execute("select count(*) from raw.web").fetchone()[0]
        dead = admin.execute("select count(*) from ops.dead_letters").fetchone()[0]
        assert (landed, dead) == ((0, sent) if value else (sent, 0)), REPEAT
        admin.execute("select * from ops.dead_letters").fetchall()  # what is kept can be read back
