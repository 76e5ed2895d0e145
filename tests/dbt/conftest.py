"""A warehouse of this room, with the dbt project parsed once for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shop_platform.local.postgres import EmbeddedPostgres
from tests.conftest import _drop, _new_warehouse
from tests.dbt.project import Shop


@pytest.fixture(scope="package")
def _shop(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("dbt")
    warehouse = _new_warehouse(postgres_server, folder)
    made = Shop(warehouse.settings, folder)
    yield made
    made.close()
    _drop(warehouse)


@pytest.fixture
def shop(_shop: Shop) -> Shop:
    """A shop without events and without models."""
    _shop.clear()
    return _shop
