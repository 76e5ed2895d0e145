"""What the controls say together, however they came to say it."""

from datetime import date

from dashboard.data.periods import Comparison, Period, Preset, Selection
from dashboard.pages.selection import from_controls

WEEK = ["2026-11-16", "2026-11-22"]
WEEK_PERIOD = Period(date(2026, 11, 16), date(2026, 11, 22))


def test_a_preset_counts_whatever_days_the_calendar_still_shows():
    assert from_controls("30d", WEEK, "previous", None, by_range=False) == Selection(Preset.DAYS_30)


def test_choosing_custom_keeps_the_days_that_are_shown():
    assert from_controls("custom", WEEK, "previous", None, by_range=False) == Selection(Preset.CUSTOM, WEEK_PERIOD)


def test_days_from_the_calendar_count_whatever_the_preset():
    chosen = from_controls("7d", WEEK, "none", "CHF", by_range=True)
    assert chosen == Selection(Preset.CUSTOM, WEEK_PERIOD, Comparison.NONE, "CHF")


def test_the_first_of_two_clicks_is_not_a_choice_yet():
    assert from_controls("7d", ["2026-11-16", None], "previous", None, by_range=True) is None
    assert from_controls("7d", None, "previous", None, by_range=True) is None


def test_custom_without_days_is_the_default():
    assert from_controls("custom", [None, None], "previous", None, by_range=False) == Selection()
