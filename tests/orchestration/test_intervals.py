"""A sensor looks as often as it needs, or more often when somebody says so."""

from __future__ import annotations

import pytest

from shop_platform.errors import ShopError
from shop_platform.orchestration.intervals import SENSOR_VARIABLE, sensor_interval


@pytest.mark.parametrize(("text", "own", "seconds"), [("", 30, 30), ("5", 30, 5), ("600", 15, 15)])
def test_the_variable_only_shortens(monkeypatch, text, own, seconds):
    monkeypatch.setenv(SENSOR_VARIABLE, text)
    assert sensor_interval(own) == seconds


@pytest.mark.parametrize("text", ["soon", "0", "-1", "1.5"])
def test_what_is_no_number_of_seconds_is_refused(monkeypatch, text):
    monkeypatch.setenv(SENSOR_VARIABLE, text)
    with pytest.raises(ShopError, match=f"SHOP_SENSOR_SECONDS='{text}' is not a number of seconds"):
        sensor_interval(30)
