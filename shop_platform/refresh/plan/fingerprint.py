"""What a plan depends on, as one hash: the project's files, dbt's version, the settings it reads, its sources."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from shop_platform.operations.dbt import DBT_PROJECT_DIR
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# Raised when what is recorded, or how, changes.
_FORMAT = "2"
_PARTS = ("models", "macros", "tests")
_FILES = ("dbt_project.yml", "profiles.yml")
_PACKAGES = ("dbt-core", "dbt-adapters", "dbt-postgres")

_SOURCES = """
    select c.oid::regclass::text, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod)
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where
        c.relnamespace in ('raw'::regnamespace, 'ops'::regnamespace)
        and c.relkind in ('r', 'p')
        and not c.relispartition
    order by 1, 2
"""


def fingerprint(settings: Settings) -> str:
    """Return the hash of everything from which the statements of a plan follow, read from files and warehouse."""
    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        digest.update("\\x1f".join(map(str, parts)).encode() + b"\\x1e")

    add(_FORMAT, settings.env, settings.shop_tz, *(version(package) for package in _PACKAGES))
    paths = [path for part in _PARTS for path in (DBT_PROJECT_DIR / part).rglob("*") if path.is_file()]
    for path in sorted([*paths, *(DBT_PROJECT_DIR / name for name in _FILES)]):
        add(path.relative_to(DBT_PROJECT_DIR), path.read_text(encoding="utf-8"))
    with connect(settings, Role.TRANSFORM) as connection:
        for row in connection.execute(_SOURCES):
            add(*row)
    return digest.hexdigest()
