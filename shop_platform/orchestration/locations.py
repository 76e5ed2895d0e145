"""Both code locations together, as Dagster's workspace shows them: for whoever needs the whole graph."""

from __future__ import annotations

import dagster as dg

from shop_platform.orchestration import ingestion_location, names, warehouse_location
from shop_platform.settings import Settings


def build_all(settings: Settings) -> dict[str, dg.Definitions]:
    """Return the definitions of every code location by its name."""
    return {
        names.LOCATION_INGESTION: ingestion_location.build(settings),
        names.LOCATION_WAREHOUSE: warehouse_location.build(settings),
    }
