"""A build of some of the models: what has to be made again with them, which tests wait, what the run says of both."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from shop_platform.orchestration.check_states import last_result
from shop_platform.orchestration.partial import tests_of_two_ages, views_above
from shop_platform.orchestration.watermark import last_builds
from shop_platform.settings import Settings


@dataclass(frozen=True)
class Part:
    """What is built of a project: ``lost`` views (unique ids) are made again, ``waiting`` tests (names) left out."""

    lost: list[str]
    waiting: list[str]


def part_of(settings: Settings, manifest: Mapping[str, Any], chosen: Collection[str]) -> Part:
    """Return what a build of the models ``chosen`` (unique ids) has to do besides, and to leave out.

    dbt adds every test that reads one of them: a click on one mart, or a run that leaves the nightly ones out, would
    compare what it builds with what others built before.
    """
    lost = views_above(manifest, chosen)
    return Part(lost, tests_of_two_ages(manifest, [*chosen, *lost], model_builds(settings, manifest)))


def model_builds(settings: Settings, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return which build made each model as it is now, by unique id."""
    known = last_builds(settings)
    relations = {
        node["unique_id"]: f"{node['schema']}.{node['alias']}"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    return {unique_id: known[relation] for unique_id, relation in relations.items() if relation in known}


def arguments_of(part: Part) -> list[str]:
    """Return what a build of a part adds to dbt's arguments."""
    arguments = ["--select", " ".join(each.rpartition(".")[2] for each in part.lost)] if part.lost else []
    return arguments + (["--exclude", " ".join(part.waiting)] if part.waiting else [])


def tell_of(context: dg.AssetExecutionContext, part: Part) -> None:
    """Say in the run's log what is built besides and what is not tested, whose last results are repeated."""
    if part.lost:
        context.log.info("Made again with what they read: %s", ", ".join(part.lost))
    if part.waiting:
        context.log.info("Left to a run that builds all they read: %s", ", ".join(part.waiting))
        tell_again(context, part.waiting)


def tell_again(context: dg.AssetExecutionContext, tests: Collection[str]) -> None:
    """Repeat the last results of ``tests``, which this run has to leave out: Dagster would show them as skipped."""
    for key in context.selected_asset_check_keys:
        if key.name in tests and (result := last_result(context.instance, key)) is not None:
            context.log_event(result)
