"""Ask the warehouse for the keys of the rows to which a failed dbt test objects: few, soon, or not at all."""

from __future__ import annotations

import time

import psycopg
import structlog
from psycopg import sql

from shop_platform.errors import ShopError
from shop_platform.orchestration.reasons import SHOWN, Rows, could_not_run, question, sentence, shown
from shop_platform.orchestration.rules import Node, Nodes
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

log = structlog.get_logger(__name__)

# Of one test, and of all that fail in one build: who waits for the build waits for this too.
_QUERY_MILLISECONDS = 3_000
_BUILD_SECONDS = 20.0
# Nobody who builds has to wait for this.
_LOCK_MILLISECONDS = 500


class Offenders:
    """Tells why tests failed, with a read-only connection of its own that is opened for the first of them.

    Without the warehouse, or once all questions of a build have taken their time, the sentences name no keys.
    """

    def __init__(self, settings: Settings, nodes: Nodes) -> None:
        self._settings = settings
        self._nodes = nodes
        self._left = _BUILD_SECONDS
        self.told: dict[str, str] = {}
        """What has been told, by the unique id of the test."""
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def __enter__(self) -> Offenders:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def reason(self, unique_id: str, compiled: str | None, failures: int | None = None) -> str:
        """Return the sentence for the test ``unique_id``.

        ``compiled`` is its SQL, ``failures`` how many rows dbt found (``None``: its query failed).
        """
        self.told[unique_id] = self._reason(self._nodes[unique_id], compiled, failures)
        return self.told[unique_id]

    def _reason(self, test: Node, compiled: str | None, failures: int | None) -> str:
        if compiled is None or self._left <= 0:
            return sentence(test, self._nodes, None, failures)
        began = time.monotonic()
        try:
            rows = self._rows(test, compiled)
        except (psycopg.Error, ShopError) as error:
            told = str(error).strip().splitlines()[0]
            if failures is None and isinstance(error, psycopg.Error):
                return could_not_run(test, self._nodes, told)
            log.info("rows_of_failed_test_not_found", test=test["name"], reason=told)
            return sentence(test, self._nodes, None, failures)
        finally:
            self._left -= time.monotonic() - began
        return sentence(test, self._nodes, rows if rows and rows.total else None, failures)

    def _rows(self, test: Node, compiled: str) -> Rows | None:
        asked = question(test, self._nodes, compiled)
        if asked is None:
            return None
        connection = self._connected()
        # dbt compiled it from the project's own files.
        of = sql.SQL(asked.of)
        columns = asked.columns
        if not columns:
            available = connection.execute(sql.SQL("select * from {} limit 0").format(of)).description or []
            columns = shown(test, self._nodes, [column.name for column in available])
        if not columns:
            return None
        keys = sql.SQL(", ").join(map(sql.Identifier, columns))
        texts = sql.SQL(", ").join(sql.SQL("cast({} as text)").format(sql.Identifier(column)) for column in columns)
        found = connection.execute(
            sql.SQL(
                "select {texts}, count(*) over () from (select distinct {keys} from {of}) as broken"
                " order by {keys} limit {shown}"
            ).format(texts=texts, keys=keys, of=of, shown=SHOWN)
        ).fetchall()
        if not found:
            return Rows(0)
        total = int(str(found[0][-1]))
        values = tuple(tuple("(none)" if each is None else str(each) for each in row[:-1]) for row in found)
        if all(value == "(none)" for row in values for value in row):
            return None  # what is missing is the key itself
        return Rows(total, columns, values)

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            connection = connect(self._settings, Role.TRANSFORM, autocommit=True, application="shop-reasons")
            connection.execute("set default_transaction_read_only = on")
            connection.execute(f"set statement_timeout = {_QUERY_MILLISECONDS}")
            connection.execute(f"set lock_timeout = {_LOCK_MILLISECONDS}")
            self._connection = connection
        return self._connection
