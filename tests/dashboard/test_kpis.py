"""The eight KPIs against rows worked out by hand."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from dashboard import formatting
from dashboard.data.kpis import KPIS, Kpi, Tone, change, evaluate, total
from dashboard.data.periods import Period
from dashboard.data.rows import Day

MONDAY = date(2026, 11, 16)


def _day(offset: int, **measures: object) -> Day:
    zero = {"orders": 0, "sessions": 0, "converting_sessions": 0, "new_customers": 0, "repeat_orders": 0}
    money = dict.fromkeys(("gross", "discount", "refund", "net"), Decimal())
    return Day(day=MONDAY + timedelta(days=offset), **{**zero, **money, **measures})


BEFORE = [
    _day(-2, orders=4, gross=Decimal(400), discount=Decimal(40), refund=Decimal(36), net=Decimal(324), sessions=100,
         converting_sessions=4, new_customers=3, repeat_orders=1),
    _day(-1, orders=4, gross=Decimal(400), discount=Decimal(40), refund=Decimal(0), net=Decimal(360), sessions=100,
         converting_sessions=4, new_customers=1, repeat_orders=3),
]  # fmt: skip
NOW = [
    _day(0, orders=9, gross=Decimal(900), discount=Decimal(90), refund=Decimal(81), net=Decimal(729), sessions=100,
         converting_sessions=9, new_customers=4, repeat_orders=5),
    _day(1, orders=1, gross=Decimal(300), discount=Decimal(0), refund=Decimal(30), net=Decimal(270), sessions=300,
         converting_sessions=1, new_customers=1, repeat_orders=0),
]  # fmt: skip
PERIOD = Period(MONDAY, MONDAY + timedelta(days=1))


def _kpi(key: str) -> Kpi:
    return next(kpi for kpi in KPIS if kpi.key == key)


@pytest.mark.parametrize(
    ("key", "value", "previous", "text", "tone"),
    [
        ("net_revenue", 999.0, 684.0, "+46.1%", Tone.GOOD),
        ("orders", 10.0, 8.0, "+25.0%", Tone.GOOD),
        ("average_order_value", 111.0, 90.0, "+23.3%", Tone.GOOD),
        # Of sums, never the mean of the daily rates (which would be 4.67 %).
        ("conversion_rate", 10 / 400, 8 / 200, "−1.50 pp", Tone.BAD),
        ("sessions", 400.0, 200.0, "+100.0%", Tone.GOOD),
        ("new_customers", 5.0, 4.0, "+25.0%", Tone.GOOD),
        ("repeat_rate", 0.5, 0.5, "0.00 pp", Tone.NEUTRAL),
        ("refund_rate", 111 / 1110, 36 / 720, "+5.00 pp", Tone.BAD),
    ],
)
def test_a_kpi_is_the_hand_computed_number(key: str, value: float, previous: float, text: str, tone: Tone):
    results = evaluate(BEFORE + NOW, PERIOD, PERIOD.previous(), course_from=PERIOD.start)
    result = next(result for result in results if result.kpi.key == key)
    assert result.value == pytest.approx(value)
    assert result.previous == pytest.approx(previous)
    assert result.change is not None
    assert (formatting.change(result.change), result.change.tone) == (text, tone)


def test_a_falling_refund_rate_is_good_news():
    moved = change(_kpi("refund_rate"), 0.03, 0.05)
    assert moved is not None
    assert moved.tone is Tone.GOOD


def test_what_has_nothing_to_divide_by_is_unknown_and_not_zero():
    nothing = total([])
    for key in ("average_order_value", "conversion_rate", "repeat_rate", "refund_rate"):
        assert _kpi(key).value(nothing) is None
    assert _kpi("net_revenue").value(nothing) == 0


def test_without_a_comparable_period_there_is_no_change():
    results = evaluate(NOW, PERIOD, None, course_from=PERIOD.start)
    assert {result.change for result in results} == {None}


def test_growth_from_nothing_is_not_a_percentage():
    assert change(_kpi("orders"), 5.0, 0.0) is None


def test_a_change_too_small_to_be_shown_has_no_colour():
    moved = change(_kpi("net_revenue"), 100_001.0, 100_000.0)
    assert moved is not None
    assert (moved.tone, formatting.change(moved)) == (Tone.NEUTRAL, "0.0%")


def test_the_course_has_one_value_per_day():
    results = evaluate(BEFORE + NOW, PERIOD, None, course_from=PERIOD.start - timedelta(days=2))
    orders = next(result for result in results if result.kpi.key == "orders")
    assert orders.course == (4, 4, 9, 1)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formatting.money(1234567.5, "EUR"), "€1,234,568"),
        (formatting.money(Decimal("74.2"), "EUR"), "€74.20"),
        (formatting.money(-1500, "CHF"), "−CHF 1,500"),
        (formatting.money(None, "EUR"), "–"),
        (formatting.rate(0.0284), "2.84%"),
        (formatting.rate(0.5378), "53.8%"),
        (formatting.age(8), "8 s"),
        (formatting.age(240), "4 min"),
        (formatting.age(3 * 3600), "3 h"),
        (formatting.age(5 * 86400), "5 d"),
        (formatting.period(Period(date(2026, 10, 25), date(2026, 11, 23))), "25 Oct – 23 Nov 2026"),
        (formatting.period(Period(date(2025, 12, 30), date(2026, 1, 2))), "30 Dec 2025 – 2 Jan 2026"),
        (formatting.period(Period(MONDAY, MONDAY)), "16 Nov 2026"),
    ],
)
def test_numbers_and_days_are_written_as_people_read_them(written: str, expected: str):
    assert written == expected
