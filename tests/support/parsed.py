"""What dbt parsed for one test's warehouse serves the next one of the same name: a parse takes ten seconds.

dbt itself checks whether it still fits (the project, the profile with port and database, variables) and parses again
when it does not; a manifest is named by what it was made of.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from shop_platform.settings import Settings

_PARSE = "partial_parse.msgpack"


def keep(settings: Settings) -> None:
    """Remember what dbt parsed in the data folder of a warehouse that is dropped."""
    target, kept = settings.data_dir / "dbt_target", _folder(settings)
    found = [*target.glob(_PARSE), *target.glob(f"dagster/{_PARSE}"), *target.glob("dagster/manifest-*.json")]
    for path in found:
        copy = kept / path.relative_to(target)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def give(settings: Settings) -> None:
    """Put what was remembered into the data folder of a new warehouse."""
    kept = _folder(settings)
    if kept.exists():
        shutil.copytree(kept, settings.data_dir / "dbt_target", dirs_exist_ok=True)
    parses = [kept / _PARSE, kept / "dagster" / _PARSE]
    for path, other in zip(parses, reversed(parses), strict=True):
        if other.exists() and not path.exists():
            copy = settings.data_dir / "dbt_target" / path.relative_to(kept)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(other, copy)


def _folder(settings: Settings) -> Path:
    return _root() / f"{settings.pg_port}-{settings.pg_database}"


@cache
def _root() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="shop-tests-parsed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
