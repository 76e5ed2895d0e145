"""Figures are plain dictionaries, complete for every period and both schemes."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.data.periods import Period
from dashboard.data.rows import Correction, Coverage, Day
from dashboard.figures.sparkline import sparkline_svg, thin_out
from dashboard.figures.trend import align, trend_figure

TODAY = date(2026, 11, 22)
SINCE = date(2026, 11, 15)
CORRECTED = {
    date(2026, 11, 14): Correction(date(2026, 11, 14), 2, datetime(2026, 11, 20, tzinfo=UTC)),
    date(2026, 11, 16): Correction(date(2026, 11, 16), 1, datetime(2026, 11, 17, tzinfo=UTC)),
}
COVERAGE = Coverage(date(2026, 10, 1), TODAY, ("EUR",))


def _rows(first: date, last: date) -> list[Day]:
    return [
        Day(day, 2, Decimal(100 + index), Decimal(10), Decimal(), Decimal(90 + index), 50, 2, 1, 1)
        for index, day in enumerate(Period(first, last).dates())
    ]


def _figure(period: Period, compared: Period | None, scheme="light"):
    rows = _rows(COVERAGE.first_day, TODAY)
    aligned = align(rows, period, compared, COVERAGE, TODAY)
    return aligned, trend_figure(aligned, period, "EUR", TODAY, scheme, provisional_from=SINCE, corrections=CORRECTED)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("days", [1, 2, 7, 30, 45])
def test_a_trend_can_be_sent_as_json(days: int, scheme: str):
    period = Period.ending(TODAY, days)
    json.dumps(_figure(period, period.previous(), scheme)[1])


def test_each_day_stands_beside_the_day_at_the_same_place_of_the_earlier_period():
    period = Period.ending(TODAY, 7)
    aligned, _ = _figure(period, period.previous())
    assert [row.compared_day for row in aligned] == period.previous().dates()


def test_a_day_without_sales_is_zero_and_a_day_without_data_unknown():
    rows = [row for row in _rows(COVERAGE.first_day, TODAY) if row.day != date(2026, 10, 3)]
    aligned = align(rows, Period(date(2026, 9, 29), date(2026, 10, 4)), None, COVERAGE, TODAY)
    assert [row.net for row in aligned] == [None, None, 90, 91, 0, 93]


def test_a_label_says_net_gross_orders_and_the_compared_day():
    period = Period.ending(TODAY, 7)
    _, figure = _figure(period, period.previous())
    label = figure["data"][-1]["customdata"][0]
    for part in ("Mon 16 Nov 2026", "Net", "€136.00", "Gross", "€146.00", "Orders", "9 Nov 2026"):
        assert part in label


def test_a_label_says_what_may_change_and_what_did():
    aligned, figure = _figure(Period.ending(TODAY, 30), None)
    labels = {row.day.day: label for row, label in zip(aligned, figure["data"][-1]["customdata"], strict=True)}
    assert "Provisional" not in labels[13] and "orrected" not in labels[13]
    assert "<i>Corrected 2 times</i><br><i>last on 20 Nov 2026</i>" in labels[14]
    assert labels[15].endswith("<i>Provisional</i>")
    assert "<i>Provisional</i><br><i>Corrected once</i>" in labels[16]


def test_the_day_that_is_not_over_hangs_on_a_dotted_piece():
    period = Period.ending(TODAY, 30)
    _, figure = _figure(period, None)
    names = [trace.get("name") for trace in figure["data"]]
    assert "Today so far" in names
    assert figure["data"][0]["y"][-1] is None
    assert figure["layout"]["shapes"][0]["x0"] == "2026-11-15"


def test_a_settled_period_has_no_shade_and_no_dots():
    _, figure = _figure(Period(date(2026, 10, 5), date(2026, 11, 5)), None)
    assert figure["layout"]["shapes"] == []
    assert "Today so far" not in [trace.get("name") for trace in figure["data"]]


@given(st.lists(st.none() | st.floats(-1e9, 1e9), max_size=400))
def test_a_sparkline_is_well_formed_and_inside_its_frame(values: list[float | None]):
    address = sparkline_svg(values)
    if address is None:
        assert sum(value is not None for value in values) < 2
        return
    root = ElementTree.fromstring(unquote(address.removeprefix("data:image/svg+xml,")))
    line = next(element for element in root if element.tag.endswith("polyline"))
    for point in line.attrib["points"].split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= 120
        assert 0 <= y <= 36


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=400))
def test_thinning_out_keeps_the_range(values: list[float]):
    thin = thin_out(values)
    assert len(thin) <= 45
    assert min(values) - 1e-6 <= min(thin) <= max(thin) <= max(values) + 1e-6


def test_a_long_trend_stays_one_point_per_day():
    period = Period(TODAY - timedelta(days=51), TODAY)
    _, figure = _figure(period, None)
    assert len(figure["data"][-1]["x"]) == 52
