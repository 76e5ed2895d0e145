"""Run the dbt project in this process, with a manifest that is parsed once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from shop_platform.operations.rebuild import carry_logs
from shop_platform.settings import PROJECT_ROOT, Role, Settings
from shop_platform.warehouse.connect import connect

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
    """The project against one warehouse; ``prefix`` goes before every schema name."""

    def __init__(self, settings: Settings, target: Path, prefix: str = "") -> None:
        self.settings = settings
        self.prefix = prefix
        self.target = target
        self.manifest: Manifest | None = None
        self.manifest = self.invoke("parse").result

    def invoke(self, *arguments: str, check: bool = True) -> Any:
        """Run one dbt command; with ``check``, a failure is an assertion error that names what failed."""
        folders = ["--project-dir", PROJECT, "--profiles-dir", PROJECT]
        artifacts = ["--target-path", self.target, "--log-path", self.target]
        quiet = ["--no-use-colors", "--log-level", "none", "--log-level-file", "none", "--no-partial-parse"]
        if arguments[0] == "run":
            # Who holds the manifest and gets the results needs no files of them: they cost an eighth of a small run.
            quiet.append("--no-write-json")
        with self._environment():
            outcome = dbtRunner(manifest=self.manifest).invoke(
                [*arguments, *map(str, folders), *map(str, artifacts), *quiet]
            )
        if check and not outcome.success:
            failed = [
                f"{result.node.unique_id}: {result.status}: {result.message}"
                for result in getattr(outcome.result, "results", [])
                if result.status not in {"success", "pass", "no-op"}
            ]
            raise AssertionError("\n".join(failed) or repr(outcome.exception))
        return outcome

    def build(self, *arguments: str) -> Any:
        """Build every model with its data tests."""
        return self.invoke("build", "--exclude-resource-type", "unit_test", *arguments)

    def run(self, *arguments: str) -> Any:
        """Build every model without tests."""
        return self.invoke("run", *arguments)

    def refresh(self) -> Any:
        """Build the tables again, as a resident refresher would; the views stand."""
        return self.run("--select", "config.materialized:incremental", "config.materialized:table")

    def marts(self) -> dict[str, list[str]]:
        """Return each mart's columns."""
        assert self.manifest is not None
        return {
            node.name: list(node.columns)
            for node in self.manifest.nodes.values()
            if node.resource_type == "model" and node.fqn[1] == "marts"
        }

    @contextmanager
    def _environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self.settings.process_environment())
        os.environ |= {"SHOP_DBT_SCHEMA_PREFIX": self.prefix, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


class Shop:
    """A warehouse, the project on it, and the project's shadow that rebuilds everything beside it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.dbt = DbtProject(settings, folder / "target")
        self.shadow = DbtProject(settings, folder / "shadow", prefix=SHADOW)

    def clear(self) -> None:
        """Forget every event and every model."""
        with connect(self.settings, Role.ADMIN) as admin:
            tables = [
                f"{schema}.{name}"
                for schema, name in admin.execute(
                    "select schemaname, tablename from pg_tables where schemaname = 'raw' or (schemaname = 'ops' and"
                    " tablename in ('ingest_batches', 'transform_runs', 'model_watermarks', 'changed_days',"
                    " 'retention_runs'))"
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
