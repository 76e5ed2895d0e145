"""What dbt parsed for one test's warehouse serves the next one of the same name: a parse takes ten seconds.

Whoever reads it checks whether it still fits: dbt itself (the project, the profile with port and database, variables),
which parses again when it does not; the rest is named by all that it was made of, and serves every process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from shop_platform.settings import PROJECT_ROOT, Settings

_PARSE = "partial_parse.msgpack"
# Of every process that runs tests here: what dbt parsed in a process, by database.
_SHARED = PROJECT_ROOT / "build" / "parsed"
_KEPT_OF_A_DATABASE = 6
# As in shop_platform/refresh/in_process.py, whose import takes two seconds that many tests do not need.
_PARSED = "parsed-*.msgpack"
# Named by all that decides what is in it (shop_platform/orchestration/manifest.py).
_DAGSTERS = "manifest-*.json"


def keep(settings: Settings) -> None:
    """Remember what dbt parsed in the data folder of a warehouse that is dropped."""
    target, kept = settings.data_dir / "dbt_target", _folder(settings)
    found = [*target.glob(_PARSE), *target.glob(f"dagster/{_PARSE}")]
    for path in found:
        copy = kept / path.relative_to(target)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    _share(_DAGSTERS, target / "dagster", _shared(settings))
    for folder in _in_process(settings):
        keep_parsed(settings, folder)


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
    _share(_DAGSTERS, _shared(settings), settings.data_dir / "dbt_target" / "dagster")
    for folder in _in_process(settings):
        give_parsed(settings, folder)


def keep_parsed(settings: Settings, folder: Path) -> None:
    """Remember for every process what dbt parsed in a process whose target is ``folder``."""
    _share(_PARSED, folder, _shared(settings))


def give_parsed(settings: Settings, folder: Path) -> None:
    """Put what was remembered where a dbt in a process with the target ``folder`` looks for it."""
    _share(_PARSED, _shared(settings), folder)


def _in_process(settings: Settings) -> list[Path]:
    """Return the targets of the refresher and of who records a plan."""
    return [settings.data_dir / "dbt_target" / name for name in ("refresher", "plan")]


def _shared(settings: Settings) -> Path:
    return _SHARED / settings.pg_database


def _share(files: str, source: Path, folder: Path) -> None:
    """Link what was parsed into ``folder``; of the shared ones the oldest go."""
    for path in source.glob(files):
        if not (folder / path.name).exists():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, folder / path.name)
            except (FileExistsError, FileNotFoundError):  # somebody else did the same, or removed an old one
                continue
            except OSError:  # another file system
                shutil.copy(path, folder / path.name)
    if _SHARED in folder.parents:
        for path in sorted(folder.glob(files), key=_age)[_KEPT_OF_A_DATABASE:]:
            path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except FileNotFoundError:  # another process removed it
        return 0.0


def _folder(settings: Settings) -> Path:
    return _root() / f"{settings.pg_port}-{settings.pg_database}"


@cache
def _root() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="shop-tests-parsed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
