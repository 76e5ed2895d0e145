"""Every screen is an exposure that depends on the marts it reads, and no exposure is of a screen that is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboard.pages import PAGES
from tests.dbt.project import Shop
from tests.dbt.screens import marts_in, marts_of_boards, marts_of_page

# The head of every page says how fresh the data is.
SHELL = "dashboard.shell"


def screens() -> dict[str, set[str]]:
    """Return per exposure that there has to be the marts it has to depend on."""
    head = marts_of_page(SHELL)
    modules = [page.layout.__module__ for page in PAGES]
    pages = {f"dashboard_{module.split('.')[-1]}": marts_of_page(module) | head for module in modules}
    return pages | {f"grafana_{board}": marts for board, marts in marts_of_boards().items()}


@pytest.fixture
def exposures(_shop: Shop) -> list[Any]:
    assert _shop.dbt.manifest is not None
    return list(_shop.dbt.manifest.exposures.values())


def test_every_screen_is_an_exposure_and_every_exposure_a_screen(exposures: list[Any]) -> None:
    of_screens = {exposure.name for exposure in exposures if exposure.type.value == "dashboard"}
    assert of_screens == screens().keys()


def test_an_exposure_depends_on_exactly_the_marts_that_its_screen_reads(exposures: list[Any]) -> None:
    read = screens()
    assert all(read.values())
    for exposure in exposures:
        if exposure.type.value == "dashboard":
            depended = {node.split(".")[-1] for node in exposure.depends_on.nodes}
            assert depended == read[exposure.name], exposure.name


def test_exposures_name_their_asset_and_their_owner(exposures: list[Any]) -> None:
    for exposure in exposures:
        assert exposure.config.meta["dagster"]["asset_key"] == exposure.name.split("_", 1), exposure.name
        assert exposure.owner.email and exposure.description, exposure.name


def test_reading_is_told_from_naming() -> None:
    sql = "select * from marts.kpi_daily as k\njoin marts.dim_date using (date_day) where model in ('marts.fct_orders')"
    assert marts_in(sql) == {"kpi_daily", "dim_date"}


def test_a_page_reads_what_its_calls_lead_to(tmp_path: Path) -> None:
    """Through a helper beside the page, the reader and a constant; a query that it never asks is not its own."""
    files = {
        "dashboard/pages/page.py": "from dashboard.pages import helper\ndef layout(reader):\n    helper.body(reader)\n",
        "dashboard/pages/helper.py": "def body(reader):\n    return reader.sales()\n",
        "dashboard/data/reader.py": "class Reader:\n    def sales(self):\n        return queries.sales(self.w)\n",
        "dashboard/data/queries.py": (
            "_SALES = 'select 1 from marts.kpi_daily'\n_OTHER = 'select 1 from marts.dim_date'\n"
            "def sales(w):\n    return w.query(_SALES)\ndef other(w):\n    return w.query(_OTHER)\n"
        ),
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert marts_of_page("dashboard.pages.page", tmp_path) == {"kpi_daily"}
