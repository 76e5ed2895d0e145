"""dbt in this process, its project parsed once and kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from shop_platform.errors import ShopError
from shop_platform.operations.dbt import dbt_environment
from shop_platform.orchestration.manifest import fingerprint
from shop_platform.settings import Settings

# Nobody reads dbt's own log here, nor the manifest and the results as files: writing those cost an eighth of a build.
_QUIET = ("--no-use-colors", "--log-level", "none", "--log-level-file", "none", "--no-partial-parse", "--no-write-json")
PARSED = "parsed-"
"""How the files begin that hold what was parsed."""


class InProcessDbt:
    """The dbt project against one warehouse. One command at a time: each borrows this process's environment.

    ``application`` is the name of its sessions (``application_name``).
    """

    def __init__(self, settings: Settings, target: Path, *, schema_prefix: str = "", application: str = "dbt") -> None:
        self._settings = settings
        self._prefix = schema_prefix
        self._target = target
        self._variables = dbt_environment(settings, schema_prefix=schema_prefix, target_path=target)
        self._variables["SHOP_DBT_APPLICATION"] = application
        self.manifest: Manifest | None = None

    def parse(self) -> Manifest:
        """Parse the project and keep it; raise :class:`ShopError` when dbt cannot.

        What was parsed is kept as a file too, named by all that it follows from: dbt takes twelve seconds to parse this
        project and half a second to read that. A file that cannot be read is written again.
        """
        self._target.mkdir(parents=True, exist_ok=True)
        kept = self._target / f"{PARSED}{self._fingerprint()}.msgpack"
        self.manifest = _read(kept)
        if self.manifest is None:
            self.manifest = result_of(self.invoke("parse"), "parse the project")
            assert self.manifest is not None
            _write(kept, self.manifest)
        return self.manifest

    def _fingerprint(self) -> str:
        """Return a hash of the project's files, dbt's version, the settings that it reads and the schemas' prefix."""
        return hashlib.sha256(f"{fingerprint(self._settings)}|{self._prefix}".encode()).hexdigest()[:16]

    def invoke(self, *arguments: str) -> dbtRunnerResult:
        """Run one dbt command with the manifest that is parsed already."""
        folders = ("--target-path", str(self._target), "--log-path", str(self._target))
        with self._environment():
            return dbtRunner(manifest=self.manifest).invoke([arguments[0], *folders, *_QUIET, *arguments[1:]])

    @contextmanager
    def _environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self._variables)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _read(kept: Path) -> Manifest | None:
    try:
        return Manifest.from_msgpack(kept.read_bytes())
    except Exception:  # it is not there, was cut off, or another version wrote it: every decoder has errors of its own
        return None


def _write(kept: Path, manifest: Manifest) -> None:
    """Keep ``manifest``, moved into place whole, and forget older ones; a disk that takes no more stops nobody."""
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    with suppress(OSError):
        fresh.write_bytes(manifest.to_msgpack())
        fresh.replace(kept)
        for outdated in set(kept.parent.glob(f"{PARSED}*.msgpack")) - {kept}:
            outdated.unlink(missing_ok=True)


def result_of(answer: dbtRunnerResult, what: str) -> Any:
    """Return what dbt returned; raise :class:`ShopError` when it could not do ``what``."""
    if not answer.success:
        raise ShopError(
            f"dbt could not {what}: {first_line(str(answer.exception))}", "See it with `dbt parse` in dbt_project/."
        )
    return answer.result


def first_line(message: str | None) -> str:
    """Return the telling part of a message of dbt as one line."""
    lines = [line.strip() for line in (message or "no message").splitlines() if line.strip()]
    useful = [line for line in lines if " Error in " not in line and not line.startswith("compiled code at")]
    return " ".join(useful or lines)[:500]
