"""The dbt project against a warehouse: by a plan where models are the subject, by dbt itself where dbt is."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from dbt.contracts.graph.manifest import Manifest

from shop_platform.operations.rebuild import carry_logs
from shop_platform.refresh.in_process import InProcessDbt
from shop_platform.refresh.outcome import Outcome
from shop_platform.refresh.plan.execute import PlanRunner
from shop_platform.refresh.plan.statements import PREFIX, Plan
from shop_platform.refresh.plan.store import plan_for
from shop_platform.settings import PROJECT_ROOT, Role, Settings
from shop_platform.warehouse.connect import connect
from tests.dbt.selection import Chosen, chosen
from tests.support import parsed
from tests.support.planned import PLANS

PROJECT = PROJECT_ROOT / "dbt_project"
SHADOW = "verify__"
SCHEMAS = ("staging", "intermediate", "marts")
# When, in which order and in how many batches events landed is what these are about: another road, other rows.
ABOUT_THE_ROAD = {
    *("data_quality_scorecard", "fct_late_events"),
    *("kpi_daily_versions", "kpi_restatements", "kpi_day_status"),
}
CLOCKS = {"max_ingested_at"}
"""Columns of the others that tell when something landed."""


class DbtProject:
    """The project against one warehouse; ``prefix`` goes before every schema name.

    What is run, built and tested goes by a plan: the statements that dbt itself executed once for this state of the
    project (tests/refresh/plan/test_equals_dbt.py holds the two equal). :meth:`invoke` is dbt.
    """

    def __init__(self, settings: Settings, target: Path, prefix: str = "") -> None:
        self.settings = settings
        self.prefix = prefix
        self.target = target
        self._dbt = InProcessDbt(settings, target, schema_prefix=prefix)
        self._connection: psycopg.Connection[Any] | None = None

    @cached_property
    def plan(self) -> Plan:
        """The plan of this state of the project."""
        return plan_for(self.settings, PLANS)

    @property
    def manifest(self) -> Manifest:
        """The project as dbt has parsed it."""
        if self._dbt.manifest is None:
            parsed.give_parsed(self.settings, self.target)
            self._dbt.parse()
            parsed.keep_parsed(self.settings, self.target)
        assert self._dbt.manifest is not None
        return self._dbt.manifest

    def invoke(self, *arguments: str, check: bool = True) -> Any:
        """Run one dbt command; with ``check``, a failure is an assertion error that names what failed."""
        self.manifest  # noqa: B018 - parsed once, not with every command
        outcome = self._dbt.invoke(*map(str, arguments))
        if check and not outcome.success:
            failed = [
                f"{result.node.unique_id}: {result.status}: {result.message}"
                for result in getattr(outcome.result, "results", [])
                if result.status not in {"success", "pass", "no-op"}
            ]
            raise AssertionError("\n".join(failed) or repr(outcome.exception))
        return outcome

    def build(self, *arguments: str) -> None:
        """Build the models that ``arguments`` of dbt select (else all), then run their data tests."""
        if (what := chosen(self.plan, arguments)) is None:
            self.invoke("build", "--exclude-resource-type", "unit_test", *arguments)
            return
        self._run(what)
        _check(self._runner().test(what.tests))

    def run(self, *arguments: str) -> None:
        """Build the models that ``arguments`` of dbt select (else all), without tests."""
        if (what := chosen(self.plan, arguments)) is None:
            self.invoke("run", *arguments)
            return
        self._run(what)

    def test(self, *arguments: str, check: bool = True) -> list[Outcome]:
        """Run the data tests that ``arguments`` of dbt select (else all); with ``check``, none may fail."""
        what = chosen(self.plan, arguments)
        assert what is not None, f"not understood: {arguments}"
        outcomes = self._runner().test(what.tests)
        if check:
            _check(outcomes)
        return outcomes

    def refresh(self) -> None:
        """Build the tables again, as a resident refresher would; the views stand."""
        self.run("--select", "config.materialized:incremental", "config.materialized:table")

    def marts(self) -> dict[str, list[str]]:
        """Return each mart's columns."""
        return {model.name: list(model.columns) for model in self.plan.models if model.schema == f"{PREFIX}marts"}

    def tell_statistics(self) -> None:
        """Make the server count at once what the warm connection read: it would do so a second later."""
        if self._connection is not None:
            self._connection.execute("select pg_stat_force_next_flush()")

    def close(self) -> None:
        """Drop the warm connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, what: Chosen) -> None:
        done = self._runner().run(what.models, full_refresh=what.full_refresh, ceiling=what.ceiling, days=what.days)
        _check(done)

    def _runner(self) -> PlanRunner:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self.settings, Role.TRANSFORM, autocommit=True)
        return PlanRunner(self.plan, self._connection, prefix=self.prefix)


def _check(outcomes: list[Outcome]) -> None:
    failed = [f"{done.name}: {done.status}: {done.message}" for done in outcomes if done.failed]
    assert not failed, "\n".join(failed)


class Shop:
    """A warehouse, the project on it, and the project's shadow that rebuilds everything beside it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.dbt = DbtProject(settings, folder / "target")
        self.shadow = DbtProject(settings, folder / "shadow", prefix=SHADOW)

    def close(self) -> None:
        """Drop the warm connections."""
        self.dbt.close()
        self.shadow.close()

    def clear(self) -> None:
        """Forget every event and every model."""
        with connect(self.settings, Role.ADMIN) as admin:
            tables = [
                f"{schema}.{name}"
                for schema, name in admin.execute(
                    "select schemaname, tablename from pg_tables where schemaname = 'raw' or (schemaname = 'ops' and"
                    " tablename in ('ingest_batches', 'transform_runs', 'model_watermarks', 'changed_days',"
                    " 'retention_runs', 'retractions'))"
                )
            ]
            admin.execute("truncate " + ", ".join(tables))
            for schema in SCHEMAS:
                admin.execute(f"drop schema if exists {SHADOW}{schema} cascade")
                for kind, name in admin.execute(
                    "select case relkind when 'v' then 'view' else 'table' end, relname from pg_class"
                    " where relnamespace = %s::regnamespace and relkind in ('v', 'r')",
                    [schema],
                ).fetchall():
                    admin.execute(f"drop {kind} if exists {schema}.{name} cascade")

    def rows(self, query: str, role: Role = Role.TRANSFORM) -> list[tuple[Any, ...]]:
        """Return the rows of ``query`` as ``role``."""
        with connect(self.settings, role) as connection:
            return connection.execute(query).fetchall()

    def one(self, query: str) -> dict[str, Any]:
        """Return the only row of ``query``, by column."""
        with connect(self.settings, Role.TRANSFORM) as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            found = cursor.execute(query).fetchall()
        assert len(found) == 1, found
        return found[0]

    def ceiling(self) -> str:
        """Return the ceiling at which every mart stands."""
        ceilings = self.rows("select distinct ceiling::text from ops.model_watermarks where model like 'marts.%'")
        assert len(ceilings) == 1, ceilings
        return str(ceilings[0][0])

    def differences_from_a_full_refresh(self, *marts: str) -> dict[str, int]:
        """Rebuild every mart beside the built one at the same ceiling; return the rows by which each differs.

        With ``marts``, those and what they read only. Logs are carried over first, as ``shop verify`` does: the
        recomputation must find nothing to add to them.
        """
        with connect(self.settings, Role.TRANSFORM) as connection:
            carry_logs(connection)
        selected = ["--select", *(f"+{mart}" for mart in marts)] if marts else []
        self.shadow.run("--full-refresh", "--vars", f'{{ceiling: "{self.ceiling()}"}}', *selected)
        found = {}
        for mart in marts or self.dbt.marts():
            there_and_back = f"""
                select count(*) from (
                    (table marts.{mart} except all table {SHADOW}marts.{mart})
                    union all
                    (table {SHADOW}marts.{mart} except all table marts.{mart})
                ) as differing"""
            found[mart] = self.rows(there_and_back)[0][0]
        return {mart: rows for mart, rows in found.items() if rows}
