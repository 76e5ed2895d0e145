"""Which tests judge one moment: all they read changes only when the refresher builds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """A dbt model as a test reads it: stored as a table or asked anew, and the ids of what it reads itself."""

    stored: bool
    parents: tuple[str, ...] = ()


def steady(models: Mapping[str, Model], built: Collection[str]) -> set[str]:
    """Return the ids of ``models`` that stand still between two builds of the tables ``built``.

    Those tables, views of what stands still, and tables that come of no event, such as a calendar. A view of a raw
    table is not among them (rows land at any time), nor is a table that another run builds from events. A parent that
    is no model is a raw table.
    """

    def from_events(name: str) -> bool:
        return name not in models or any(from_events(parent) for parent in models[name].parents)

    def stands(name: str) -> bool:
        if name in built or not from_events(name):
            return True
        return name in models and not models[name].stored and all(stands(parent) for parent in models[name].parents)

    return {name for name in models if stands(name)}
