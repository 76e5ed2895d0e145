"""The few forms of dbt's arguments by which tests say what to build, read without dbt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from shop_platform.refresh.pace import with_descendants
from shop_platform.refresh.plan.statements import Days, Plan

_VARIABLES = {"ceiling", "reprocess_from", "reprocess_to"}
_KINDS = {"config.materialized:incremental": (True, "table"), "config.materialized:table": (False, "table")}

_UNDERSTOOD = {
    *("--select", "--exclude", "--vars", "--full-refresh", "--indirect-selection", "--exclude-resource-type"),
}


@dataclass(frozen=True)
class Chosen:
    """What a command is about: models and data tests by name, and how to build them."""

    models: frozenset[str]
    tests: frozenset[str]
    full_refresh: bool
    ceiling: str | None
    days: Days | None


def chosen(plan: Plan, arguments: Iterable[str]) -> Chosen | None:
    """Return what ``arguments`` of dbt choose; ``None`` when they say more than is understood here."""
    words: dict[str, list[str]] = {}
    flag = ""
    for argument in arguments:
        if argument.startswith("--"):
            flag = argument
            words[flag] = []
        else:
            words.setdefault(flag, []).append(argument)
    if not words.keys() <= _UNDERSTOOD:
        return None
    if words.get("--exclude-resource-type", ["unit_test"]) != ["unit_test"]:
        return None
    told: dict[str, object] = yaml.safe_load(words.get("--vars", ["{}"])[0])
    if not told.keys() <= _VARIABLES or ("reprocess_from" in told) != ("reprocess_to" in told):
        return None
    ceiling = str(told["ceiling"]) if "ceiling" in told else None
    days = (_day(told["reprocess_from"]), _day(told["reprocess_to"])) if "reprocess_from" in told else None
    models, tests = _selected(plan, words.get("--select"))
    left_out, _ = _selected(plan, words.get("--exclude", []))
    if models is None or left_out is None:
        return None
    models -= left_out
    tests |= _indirect(plan, models, words.get("--indirect-selection", ["eager"])[0])
    return Chosen(frozenset(models), frozenset(tests), "--full-refresh" in words, ceiling, days)


def _day(told: object) -> dt.date:
    return dt.date.fromisoformat(str(told))


def _selected(plan: Plan, select: list[str] | None) -> tuple[set[str] | None, set[str]]:
    known = {model.name: model for model in plan.models}
    if select is None:
        return set(known), set()
    models: set[str] = set()
    tests: set[str] = set()
    for word in select:
        name = word.removeprefix("+")
        if word in _KINDS:
            models |= {model.name for model in plan.models if (model.incremental, model.kind) == _KINDS[word]}
        elif name in known:
            models |= _with_ancestors(plan, {name}) if word.startswith("+") else {name}
        elif any(test.name == word for test in plan.tests):
            tests.add(word)
        else:
            return None, set()
    return models, tests


def _with_ancestors(plan: Plan, names: set[str]) -> set[str]:
    """Return ``names`` and everything above them."""
    return with_descendants(names, {model.name: model.parents for model in plan.models})


def _indirect(plan: Plan, models: set[str], manner: str) -> set[str]:
    """Return the tests of ``models``: those that read any of them, only them, or only them and what they read."""
    within = _with_ancestors(plan, models) if manner == "buildable" else models
    return {
        test.name
        for test in plan.tests
        if models.intersection(test.parents) and (manner == "eager" or within.issuperset(test.parents))
    }
