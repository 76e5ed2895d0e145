"""A refresher as a process of its own, on a warehouse of the test's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from shop_platform.children import die_with_parent
from shop_platform.settings import PROJECT_ROOT, Role, Settings
from shop_platform.warehouse.connect import connect


@contextmanager
def refreshing(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``shop refresh`` while the block runs; what it logged is shown when the block fails."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "shop_platform.cli", "refresh"],
            env=settings.process_environment() | {"PATH": "/usr/bin:/bin", "HOME": str(settings.data_dir)},
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,  # noqa: PLW1509
        )
        try:
            yield process
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-4000:])
            raise
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def settings(fresh_warehouse) -> Settings:
    """Settings of a warehouse without models; Dagster is not told of anything."""
    return fresh_warehouse.settings.model_copy(update={"refresh_report_seconds": 0, "refresh_check_seconds": 1})


def fetch(settings: Settings, query: str) -> list[tuple[object, ...]]:
    """Return the rows of ``query``, asked by the administrator; a mart that is not there yet has none."""
    marts = [word.strip("(),;") for word in query.split() if word.startswith("marts.")]
    with connect(settings, Role.ADMIN) as admin:
        for mart in marts:
            if admin.execute("select to_regclass(%s)", [mart]).fetchone() == (None,):
                return []
        return admin.execute(query).fetchall()


@pytest.fixture
def rows(settings):
    """Run a query on the refresher's warehouse."""
    return partial(fetch, settings)
