"""One warehouse, broker and dbt project for many short lives of a shop: emptied between them, not made anew."""

from __future__ import annotations

import itertools
from pathlib import Path

from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.ingest.topics import admin_client, ensure_topics
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import REPEAT
from tests.chaos.proof import prove_i1
from tests.dbt.project import ABOUT_THE_ROAD, CLOCKS, Shop

_KEPT = {"schema_migrations"}


class World:
    """Gives each life a folder, a consumer group, empty topics and empty tables."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._lives = itertools.count()
        self.dbt = Shop(settings, folder / "dbt")
        self.dbt.dbt.run()  # the views; from here on only tables are built

    def begin(self) -> Settings:
        """Forget everything and return the settings of a new life."""
        life = f"life-{next(self._lives)}"
        with connect(self._settings, Role.ADMIN, autocommit=True) as admin:
            tables = admin.execute(
                "select schemaname, tablename from pg_tables where schemaname in ('raw', 'pii', 'ops', 'marts')"
            ).fetchall()
            names = [sql.Identifier(str(s), str(t)) for s, t in tables if t not in _KEPT]
            admin.execute(sql.SQL("truncate {}").format(sql.SQL(", ").join(names)))
        kafka = admin_client(self._settings)
        there = kafka.list_topics(timeout=20).topics.keys() & {topic.name for topic in TOPICS}
        for future in kafka.delete_topics(sorted(there)).values() if there else ():
            future.result(20)
        ensure_topics(self._settings)
        (self._folder / life).mkdir()
        return self._settings.model_copy(update={"data_dir": self._folder / life, "ingest_group": life})

    def transform(self) -> None:
        """Build the marts from what has landed."""
        self.dbt.dbt.refresh()

    def prove(self, settings: Settings) -> None:
        """Assert I1 with nothing in flight, and I2 after a last build."""
        prove_i1(settings)
        self.transform()
        differing = self.dbt.differences_from_a_full_refresh()
        assert not differing, f"I2 is broken, rows that differ: {differing}; {REPEAT}"

    def marts(self) -> dict[str, list[str]]:
        """Return every row of every mart, without what tells when something was ingested."""
        return {
            mart: sorted(
                str(row)
                for row in self.dbt.rows(
                    f"select {', '.join(c for c in columns if not c.startswith('_') and c not in CLOCKS)}"
                    f" from marts.{mart}"
                )
            )
            for mart, columns in self.dbt.dbt.marts().items()
            if mart not in ABOUT_THE_ROAD
        }
