"""A warehouse of each test's own and a wire into it."""

from __future__ import annotations

import pytest

from tests.dead_letters.wire import Wire


@pytest.fixture
def settings(fresh_warehouse):
    return fresh_warehouse.settings


@pytest.fixture
def wire(settings):
    return Wire(settings)
