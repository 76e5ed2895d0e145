"""Fixtures: a warehouse with hand-made marts, and an app on it with a clock that stands still."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboard.app import ShopDashboard, create_app
from shop_platform.settings import Settings
from tests.conftest import Warehouse, _drop, _new_warehouse
from tests.dashboard import marts

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
TODAY = date(2026, 11, 22)


@pytest.fixture
def empty_marts(fresh_warehouse: Warehouse) -> Settings:
    marts.create(fresh_warehouse.settings)
    return fresh_warehouse.settings


@pytest.fixture(scope="session")
def seeded_marts(postgres_server, tmp_path_factory) -> Iterator[Settings]:
    """Marts of 120 days up to ``TODAY`` for tests that only read."""
    made = _new_warehouse(postgres_server, tmp_path_factory.mktemp("data"))
    marts.create(made.settings)
    marts.seed(made.settings, TODAY, NOW, days=120)
    yield made.settings
    _drop(made)


@pytest.fixture
def changing_marts(empty_marts: Settings) -> Settings:
    """The same for a test that changes them."""
    marts.seed(empty_marts, TODAY, NOW, days=120)
    return empty_marts


@pytest.fixture
def app_for() -> Iterator:
    """Make apps whose clock stands at ``NOW``; their pools are closed afterwards."""
    made: list[ShopDashboard] = []

    def make(settings: Settings) -> ShopDashboard:
        made.append(create_app(settings, clock=lambda: NOW))
        return made[-1]

    yield make
    for app in made:
        app.warehouse.close()


def business_day(settings: Settings) -> date:
    """Return the shop's business day by the real clock."""
    return datetime.now(ZoneInfo(settings.shop_tz)).date()
