"""A measurement that is ended takes its servers and tools with it; what cannot be had is asked for once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from bench.ingest_peers import _prepared
from bench.peers import environments
from bench.peers.contestants import KEYS
from bench.peers.environments import PeerUnavailableError, prepared_parts
from shop_platform.settings import PROJECT_ROOT
from tests.support.waiting import eventually

# A part of the bench as they all are: a PostgreSQL, a broker, the ingestion, a tool that does not listen to SIGTERM.
_PART = """
import json, subprocess, sys, time, types
from bench import __main__ as bench
from bench.service import running_service
from bench.stack import measuring_stack

def run():
    with measuring_stack() as (settings, server), running_service(settings):
        deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
        print(json.dumps(str(settings.data_dir)), flush=True)
        time.sleep(600)

sys.modules["bench.generator"] = types.SimpleNamespace(run=run)
bench.run_as_command(["--only", "generator"])
"""


def test_a_measurement_that_is_ended_by_sigterm_leaves_nothing_behind(own_servers):
    bench = subprocess.Popen(
        [sys.executable, "-c", _PART], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    folder = Path(json.loads(bench.stdout.readline()))
    started = psutil.Process(bench.pid).children(recursive=True)
    assert len(started) > 8 and (folder / "pgdata").exists()
    os.kill(bench.pid, signal.SIGTERM)
    os.kill(bench.pid, signal.SIGTERM)  # as `make` and a terminal's group may both do
    told = bench.communicate()[1]
    assert bench.returncode == 130 and "Traceback" not in told and "everything that it had started" in told
    eventually(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in started))
    assert not folder.exists()


def test_what_cannot_be_had_is_asked_for_once_however_many_tools_need_it(monkeypatch, tmp_path):
    asked = []

    def unreachable(command, what, folder=None):
        asked.append(what)
        raise PeerUnavailableError(f"{what}: no network")

    monkeypatch.setattr(environments, "_output", unreachable)
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "_CACHE", tmp_path / "cache")
    monkeypatch.setattr(environments.shutil, "which", lambda tool: f"/bin/{tool}")
    prepared_parts.clear()
    assert [_prepared(key) for key in KEYS] == [None] * len(KEYS)
    assert sorted(asked) == sorted(set(asked)), "each part once"
    prepared_parts.clear()
