"""The refresher's words: what it builds, what it checks, and how each of them ended."""

from __future__ import annotations

from dataclasses import dataclass

from shop_platform.orchestration.lineage import Columns

ERRORS = frozenset({"error", "fail", "runtime error"})
"""dbt's words for what was tried and did not end well."""


@dataclass(frozen=True)
class HotModel:
    """A table of the selector ``hot``; ``asset`` is its key in Dagster, ``relation`` its ``schema.table``."""

    name: str
    relation: str
    asset: tuple[str, ...]


@dataclass(frozen=True)
class HotCheck:
    """A dbt test and the asset that carries it as a check in Dagster."""

    name: str
    asset: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one node: dbt's status, seconds, rows written (``None``: not told) and, if it failed, why."""

    name: str
    status: str
    seconds: float
    rows: int | None = None
    message: str = ""
    check: HotCheck | None = None
    lineage: Columns | None = None
    """What each column of the model is made of, if that is known."""

    @property
    def failed(self) -> bool:
        """Whether it was tried and did not end well; what was skipped because of others did not fail."""
        return self.status in ERRORS

    @property
    def succeeded(self) -> bool:
        """Whether it was built, or passed."""
        return self.status in {"success", "pass"}
