"""Dagster's processes know dbt's project and not dbt."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
import shop_platform.orchestration.warehouse_location
from dagster_shared.libraries import DagsterLibraryRegistry
assert not [name for name in sys.modules if name.split(".")[0] in {"dbt", "dbt_common"}], "two seconds of every run"
print(DagsterLibraryRegistry.get()["dbt-core"])
import dbt.version
assert dbt.version.__version__ == DagsterLibraryRegistry.get()["dbt-core"]
"""


def test_a_dagster_process_starts_without_dbt_and_can_still_import_it() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
