"""The shop as an analyst sees it: 90 days of one seed, within generous bounds."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from zoneinfo import ZoneInfo

import pytest

from shop_platform.generator.message import Message
from shop_platform.generator.parameters import NO_FAULTS, Parameters
from shop_platform.generator.sessions import expected_conversion
from shop_platform.generator.stream import history_chunks
from tests.generator.audit import Event, cents, in_event_time, refunded
from tests.generator.conftest import UNTIL

BERLIN = ZoneInfo("Europe/Berlin")
Events = dict[str, list[Event]]


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    chunks = history_chunks(until=UNTIL, seed=42, faults=NO_FAULTS)
    return [message for chunk in chunks for message in chunk]


@pytest.fixture(scope="module")
def events(messages: list[Message]) -> Events:
    grouped: Events = defaultdict(list)
    # Looking at every page again would take longer than everything else.
    decisive = (m for m in messages if b'"type":"shop.web.' not in m.value or b"session_started" in m.value)
    for event in in_event_time(decisive):
        grouped[event.kind].append(event)
    return grouped


def _conversion(events: Events, by: str) -> dict[str, float]:
    sessions = Counter(getattr(event.data, by) for event in events["web.session_started"])
    orders = Counter(getattr(event.data, by) for event in events["order.placed"])
    return {value: orders[value] / count for value, count in sessions.items()}


def test_the_default_history_has_between_300000_and_420000_events_most_of_them_on_the_web(
    messages: list[Message],
) -> None:
    assert 300_000 <= len(messages) <= 420_000
    assert sum(message.topic == "shop.web" for message in messages) > 0.75 * len(messages)


def test_the_orders_a_day_are_what_was_asked_for(events: Events) -> None:
    assert 0.9 < len(events["order.placed"]) / 90.6 / Parameters().orders_per_day < 1.1


def test_the_totals_are_those_of_a_shop(events: Events) -> None:
    orders = [event.data for event in events["order.placed"]]
    net = [cents(order.subtotal) - cents(order.discount) for order in orders]
    assert 6_000 < sum(net) / len(net) < 14_000
    assert 0.02 < len(orders) / len(events["web.session_started"]) < 0.04
    assert 0.05 < len(events["return.requested"]) / len(events["order.delivered"]) < 0.12
    assert 0.01 < len(events["order.cancelled"]) / len(orders) < 0.05
    assert 0.2 < 1 - len({order.customer_id for order in orders}) / len(orders) < 0.5
    assert 0.02 < sum(refunded(event.data)[0] for event in events["refund.issued"]) / sum(net) < 0.12
    spent = sum(cents(event.data.cost) for event in events["marketing.touched"])
    assert 0.01 < spent / sum(net) < 0.2


def test_channels_devices_and_countries_convert_differently(events: Events) -> None:
    channel, device, country = (_conversion(events, by) for by in ("channel", "device", "country"))
    assert channel["email"] > channel["organic_search"] > channel["social"]
    assert device["desktop"] > 1.2 * device["mobile"]
    assert country["DE"] > country["IT"]


def test_sundays_evenings_and_campaigns_are_busy(events: Events) -> None:
    local = [event.time.astimezone(BERLIN) for event in events["web.session_started"]]
    days = Counter(moment.date() for moment in local)
    weekday = defaultdict(list)
    for day, count in days.items():
        weekday[day.weekday()].append(count)
    average = {day: sum(counts) / len(counts) for day, counts in weekday.items()}
    assert average[6] > 1.2 * average[5]
    hours = Counter(moment.hour for moment in local)
    assert hours[20] > 10 * hours[3]
    singles = days[dt.date(2026, 11, 11)]
    assert singles > 1.25 * (days[dt.date(2026, 11, 4)] + days[dt.date(2026, 11, 18)]) / 2


def test_some_parcels_are_late_and_it_depends_on_the_carrier(events: Events) -> None:
    shipped = {event.data.order_id: event.data for event in events["order.shipped"]}
    late: dict[str, list[bool]] = defaultdict(list)
    for event in events["order.delivered"]:
        parcel = shipped[event.data.order_id]
        late[parcel.carrier].append(event.time.astimezone(BERLIN).date() > parcel.promised_on)
    share = {carrier: sum(flags) / len(flags) for carrier, flags in late.items()}
    assert share["dhl"] < share["hermes"]
    assert all(0.01 < value < 0.3 for value in share.values())


def test_categories_come_back_at_different_rates(events: Events) -> None:
    category = {event.data.product_id: event.data.category for event in events["product.created"]}
    sold: Counter[str] = Counter()
    back: Counter[str] = Counter()
    for event in events["order.placed"]:
        for line in event.data.lines:
            sold[category[line.product_id]] += line.quantity
    for event in events["return.requested"]:
        for line in event.data.lines:
            back[category[line.product_id]] += line.quantity
    assert back["fashion"] / sold["fashion"] > 2 * back["beauty"] / sold["beauty"]


def test_some_products_sell_out_and_are_replenished_and_few_products_make_most_of_the_sales(events: Events) -> None:
    assert sum(event.data.level == 0 for event in events["stock.changed"]) > 20
    assert sum(event.data.reason == "replenishment" for event in events["stock.changed"]) > 100
    sales = Counter(line.product_id for event in events["order.placed"] for line in event.data.lines)
    top = sum(count for _, count in sales.most_common(len(sales) // 5))
    assert top > 0.4 * sales.total()


def test_the_expected_conversion_of_the_parameters_is_met(events: Events) -> None:
    measured = len(events["order.placed"]) / len(events["web.session_started"])
    assert abs(measured / expected_conversion(Parameters()) - 1) < 0.12
