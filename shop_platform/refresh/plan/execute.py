"""Execute a plan on a warm connection, in dependency order, one transaction a model, as dbt does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable
from typing import Any

import psycopg

from shop_platform.refresh.outcome import Outcome
from shop_platform.refresh.plan.statements import (
    COMMIT,
    PREFIX,
    DataTest,
    Days,
    Model,
    Plan,
    PlanError,
    Statement,
    answered,
    filled,
)

Connection = psycopg.Connection[Any]
Filled = tuple[Statement, str]
"""A statement of the plan, and what it is in this run."""

# Between the statements of a model dbt may leave these behind when it is killed; dbt drops them before it begins.
_LEFTOVERS = ("__dbt_tmp", "__dbt_backup")
_KINDS = {"r": "table", "p": "table", "v": "view"}


class PlanRunner:
    """Builds and tests by a plan. ``connection`` is the transformation's own, in autocommit mode.

    The caller holds the lock of transformations, as for a run of dbt.
    """

    def __init__(self, plan: Plan, connection: Connection, *, prefix: str = "") -> None:
        self._plan = plan
        self._connection = connection
        self._prefix = prefix

    def run(
        self,
        names: Collection[str] | None = None,
        *,
        full_refresh: bool = False,
        ceiling: str | None = None,
        days: Days | None = None,
    ) -> list[Outcome]:
        """Build the models ``names`` (``None``: all) and return what became of each.

        A model that fails keeps its old rows, and what reads it is skipped. ``ceiling`` fixes the transaction below
        which rows are read; ``days`` builds those business days again beside what is new. Raises :class:`PlanError`
        where dbt would execute something else than the plan holds: another kind of relation stands, or an answer is not
        the recorded one. What was built until then is whole.
        """
        models = [model for model in self._plan.models if names is None or model.name in names]
        invocation = str(uuid.uuid4())
        self._make_schemas({model.schema for model in models})
        with self._connection.transaction():
            for statement in self._plan.begin:
                self._execute(self._text(statement.sql, invocation, ceiling=ceiling))
        outcomes: list[Outcome] = []
        unbuilt: set[str] = set()
        for model in models:
            if unbuilt.intersection(model.parents):
                outcomes.append(Outcome(model.name, "skipped", 0.0))
            else:
                outcomes.append(self._build(model, invocation, full_refresh, days))
            if not outcomes[-1].succeeded:
                unbuilt.add(model.name)
        return outcomes

    def test(self, names: Collection[str] | None = None) -> list[Outcome]:
        """Run the data tests ``names`` (``None``: all) and return what each found."""
        tests = [test for test in self._plan.tests if names is None or test.name in names]
        self._make_schemas({test.keeps.split('"')[1] for test in tests if test.keeps})
        return [self._test(test) for test in tests]

    def _build(self, model: Model, invocation: str, full_refresh: bool, days: Days | None) -> Outcome:
        began = time.perf_counter()
        try:
            # Asked now and not once for the run: what replaced a table also dropped the views that read it.
            standing = self._standing(model)
            if (kind := standing.pop(model.relation, None)) not in {None, model.kind}:
                raise PlanError(f"{model.name} is a {model.kind}, but a {kind} stands in its place")
            statements = model.ways[model.way(kind is not None, full_refresh, days is not None)]
            for leftover, its_kind in standing.items():
                self._drop(its_kind, model.schema, leftover)
            texts = [(each, self._text(each.sql, invocation, days=days)) for each in statements]
            self._transactions(model, texts, invocation, replaced=kind == "view")
        except psycopg.Error as error:
            return Outcome(model.name, "error", time.perf_counter() - began, message=_reason(error))
        return Outcome(model.name, "success", time.perf_counter() - began)

    def _transactions(self, model: Model, statements: Iterable[Filled], invocation: str, *, replaced: bool) -> None:
        """Execute statements in transactions that end where dbt commits; a view is replaced in the first of them."""
        waiting: list[Filled] = []
        for each in statements:
            if each[0].sql != COMMIT:
                waiting.append(each)
                continue
            with self._connection.transaction():
                if replaced:
                    self._drop("view", model.schema, model.relation)
                    replaced = False
                for statement, text in waiting:
                    self._one(model, statement, text, invocation)
                if model.incremental:
                    self._execute(f'drop table if exists pg_temp."{model.relation}__dbt_tmp"')
            waiting = []
        for statement, text in waiting:
            self._one(model, statement, text, invocation)

    def _one(self, model: Model, statement: Statement, text: str, invocation: str) -> None:
        cursor = self._execute(text)
        if statement.answer is None:
            return
        answer = answered(statement.sql, cursor.fetchall()).answer
        if answer == statement.answer:
            return
        if not statement.asks_for_comments:
            raise PlanError(
                f"{model.name}: dbt was told {_shown(statement.answer)} and would be told {_shown(answer)} now by"
                f" {' '.join(statement.sql.split())[:200]}"
            )
        for comment in model.comments:
            self._execute(self._text(comment, invocation))

    def _test(self, test: DataTest) -> Outcome:
        began = time.perf_counter()
        try:
            if test.keeps:
                self._execute(f"drop table if exists {self._text(test.keeps)} cascade")
            for text in test.statements:
                cursor = self._execute(self._text(text))
            row = cursor.fetchone()
        except psycopg.Error as error:
            return Outcome(test.name, "error", time.perf_counter() - began, message=_reason(error))
        assert row is not None
        failures, warns, fails = row
        status = "fail" if fails and test.severity == "error" else "warn" if warns else "pass"
        message = "" if status == "pass" else f"Got {failures} results"
        return Outcome(test.name, status, time.perf_counter() - began, message=message)

    def _make_schemas(self, schemas: Collection[str]) -> None:
        for schema in sorted(schemas):
            self._execute(f'create schema if not exists "{self._named(schema)}"')

    def _standing(self, model: Model) -> dict[str, str]:
        """Return the kind of the model's relation, and of what a killed build may have left of it, by name."""
        found = self._connection.execute(
            "select c.relname, c.relkind from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname = %s and c.relname = any(%s)",
            [self._named(model.schema), [model.relation + suffix for suffix in ("", *_LEFTOVERS)]],
        )
        return {name: _KINDS.get(kind, kind) for name, kind in found}

    def _drop(self, kind: str, schema: str, name: str) -> None:
        self._execute(f'drop {kind} if exists "{self._named(schema)}"."{name}" cascade')

    def _named(self, schema: str) -> str:
        return schema.replace(PREFIX, self._prefix)

    def _text(self, text: str, invocation: str = "", *, ceiling: str | None = None, days: Days | None = None) -> str:
        return filled(text, prefix=self._prefix, invocation=invocation, ceiling=ceiling, days=days)

    def _execute(self, text: str) -> psycopg.Cursor[Any]:
        # Without parameters and unprepared: psycopg then sends several statements at once, as dbt's driver does.
        return self._connection.execute(text.encode(), prepare=False)


def _shown(answer: tuple[tuple[str, ...], ...] | None) -> str:
    rows = answer or ()
    return f"{len(rows)} rows ({rows[0] if rows else 'none'})"


def _reason(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
