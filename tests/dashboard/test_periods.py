"""Periods, comparison and URL: the laws hold for every selection."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.data.periods import (
    EARLIEST,
    LATEST,
    Comparison,
    Period,
    Preset,
    Selection,
    decode,
    encode,
    provisional_days,
)

TODAY = date(2026, 11, 22)

days = st.dates(EARLIEST, LATEST)
periods = st.tuples(days, days).map(lambda pair: Period(min(pair), max(pair)))
currencies = st.none() | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
relative = st.sampled_from([preset for preset in Preset if preset is not Preset.CUSTOM])
selections = st.one_of(
    st.builds(Selection, preset=relative, comparison=st.sampled_from(Comparison), currency=currencies),
    st.builds(
        Selection,
        preset=st.just(Preset.CUSTOM),
        custom=periods,
        comparison=st.sampled_from(Comparison),
        currency=currencies,
    ),
)


@given(selections)
def test_what_is_written_into_the_url_is_read_back(selection: Selection):
    assert decode(encode(selection)) == selection


@given(st.text())
def test_any_url_is_read_without_an_error(search: str):
    decode(search).period(TODAY)


@given(st.fixed_dictionaries({}, optional={key: st.text(max_size=12) for key in ("from", "to", "period", "compare")}))
def test_any_value_in_the_url_is_read_without_an_error(query: dict[str, str]):
    decode("?" + "&".join(f"{key}={value}" for key, value in query.items())).comparison_period(TODAY)


@given(periods)
def test_the_previous_period_is_adjacent_and_of_equal_length(period: Period):
    before = period.previous()
    assert before.days == period.days
    assert before.end + timedelta(days=1) == period.start


@given(selections, days)
def test_the_comparison_never_overlaps_the_period(selection: Selection, today: date):
    compared = selection.comparison_period(today)
    assert (compared is None) == (selection.comparison is Comparison.NONE)
    assert compared is None or compared.end < selection.period(today).start


def test_the_default_selection_leaves_the_url_clean():
    assert encode(Selection()) == ""
    assert decode("") == decode(None) == Selection()


@pytest.mark.parametrize(
    ("preset", "first"),
    [
        (Preset.TODAY, TODAY),
        (Preset.DAYS_7, date(2026, 11, 16)),
        (Preset.DAYS_30, date(2026, 10, 24)),
        (Preset.DAYS_90, date(2026, 8, 25)),
        (Preset.MONTH_TO_DATE, date(2026, 11, 1)),
        (Preset.QUARTER_TO_DATE, date(2026, 10, 1)),
        (Preset.YEAR_TO_DATE, date(2026, 1, 1)),
    ],
)
def test_a_preset_ends_today_and_begins_where_its_name_says(preset: Preset, first: date):
    assert Selection(preset=preset).period(TODAY) == Period(first, TODAY)


@pytest.mark.parametrize(
    "search",
    [
        "?period=fortnight",
        "?period=custom",
        "?from=2026-11-01",
        "?from=2026-13-01&to=2026-12-01",
        "?from=0001-01-01&to=9999-12-31",
        "?compare=last-year",
        "?currency=euro",
        "?currency=E€R",
    ],
)
def test_what_a_url_cannot_mean_falls_back_to_the_default(search: str):
    assert decode(search) == Selection()


def test_dates_the_wrong_way_round_are_put_right():
    assert decode("?from=2026-11-20&to=2026-11-01").custom == Period(date(2026, 11, 1), date(2026, 11, 20))


def test_days_are_provisional_from_the_first_one_that_the_marts_call_so():
    since = date(2026, 11, 15)
    assert provisional_days(Period(date(2026, 10, 1), TODAY), since, TODAY) == Period(since, TODAY)
    assert provisional_days(Period(date(2026, 10, 1), date(2026, 11, 14)), since, TODAY) is None
    assert provisional_days(Period(date(2026, 10, 1), TODAY), None, TODAY) is None


def test_a_period_cannot_end_before_it_starts():
    with pytest.raises(ValueError, match="cannot end"):
        Period(TODAY, TODAY - timedelta(days=1))
