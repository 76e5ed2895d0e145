"""What a killed Airflow process has left behind is found by its home and ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from shop_platform.local.airflow_run import end_leftovers

# As Airflow's local workers do: SIGTERM is ignored.
_STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


def _left_behind(home: Path) -> psutil.Process:
    """A process whose parent is gone, in a session of its own, with that AIRFLOW_HOME."""
    parent = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=subprocess.PIPE,"
        " stderr=subprocess.DEVNULL, start_new_session=True); child.stdout.readline(); print(child.pid)"
    )
    told = subprocess.run(
        [sys.executable, "-c", parent, _STUBBORN],
        env=os.environ | {"AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return psutil.Process(int(told.stdout))


def test_what_ignores_sigterm_ends_too_and_what_belongs_to_another_airflow_is_left_alone(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("shop_platform.local.airflow_run._LEAVE_SECONDS", 0.2)
    worker, other = _left_behind(tmp_path / "airflow"), _left_behind(tmp_path / "airflow2")
    try:
        assert end_leftovers(tmp_path / "airflow") == 1
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
        assert other.is_running()
        assert end_leftovers(tmp_path / "airflow") == 0
    finally:
        other.kill()
