"""The selectors share out the marts, and what follows the events never waits for the night."""

from __future__ import annotations

from typing import Any

import pytest

from grafana.measures import NIGHTLY_MARTS
from tests.dbt.project import Shop


@pytest.fixture(scope="module")
def chosen(_shop: Shop) -> dict[str, set[str]]:
    """The names of what each selector builds or tests."""
    return {
        name: set(_shop.dbt.invoke("ls", "--quiet", "--selector", name, "--output", "name").result)
        for name in ("hot", "daily", "nightly", "all")
    }


def test_every_mart_is_hot_daily_or_nightly(chosen: dict[str, set[str]], _shop: Shop) -> None:
    marts = set(_shop.dbt.marts())
    assert marts <= chosen["hot"] | chosen["daily"] | chosen["nightly"]
    assert marts <= chosen["all"]
    # The alert on stale marts gives these a day.
    assert chosen["nightly"] & marts == set(NIGHTLY_MARTS)
    assert not chosen["daily"] & chosen["nightly"]
    assert chosen["hot"] & marts <= chosen["daily"]


def test_hot_is_what_is_tagged_hot_with_everything_above_it(chosen: dict[str, set[str]], _shop: Shop) -> None:
    """A table that a hot one reads and that is not hot itself would hold it back (or be read half old)."""
    nodes = _nodes(_shop)
    tables = {name for name in chosen["hot"] if name in nodes and nodes[name].config.materialized != "view"}
    assert tables == {name for name, node in nodes.items() if "hot" in node.tags}


def test_nothing_by_day_reads_what_waits_for_the_night(chosen: dict[str, set[str]], _shop: Shop) -> None:
    """A model would stay behind its own watermark until morning, a test would compare two ages."""
    assert _shop.dbt.manifest is not None
    nightly = {f"model.shop.{name}" for name in chosen["nightly"] & set(_shop.dbt.marts())}
    for node in _shop.dbt.manifest.nodes.values():
        if node.name in chosen["daily"]:
            assert not nightly & set(node.depends_on.nodes), node.name


def test_only_all_runs_unit_tests(chosen: dict[str, set[str]], _shop: Shop) -> None:
    assert _shop.dbt.manifest is not None
    unit_tests = {each.name for each in _shop.dbt.manifest.unit_tests.values()}
    assert unit_tests and unit_tests <= chosen["all"]
    assert not unit_tests & (chosen["daily"] | chosen["nightly"])


def _nodes(shop: Shop) -> dict[str, Any]:
    assert shop.dbt.manifest is not None
    return {node.name: node for node in shop.dbt.manifest.nodes.values() if node.resource_type == "model"}
