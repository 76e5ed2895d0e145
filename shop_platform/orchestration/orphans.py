"""Runs whose process is gone: a run ends with its code server, and is then found by asking who executes it.

Dagster's default launcher leaves the second to nobody: a run whose code server and process were killed together would
be STARTED until ``max_runtime_seconds`` and hold its pool, so that no mart moved for an hour.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

# Where the launcher writes which code server executes a run.
GRPC_INFO_TAG = ".dagster/grpc_info"

SERVER_VARIABLE = "SHOP_CODE_SERVER_PID"
"""Set for what a code server starts (``code_server.py``): its process id."""

_ANSWER_WITHIN_SECONDS = 5
_LOOK_SECONDS = 0.5


def end_with_code_server() -> None:
    """In a run's process or a code server's worker: end when what started it has gone; anywhere else: do nothing.

    Left alone the run would go on for a while beside its own second try. It ends without a word, and its dbt with it
    (``dbt_command``): a failure that is reported while no code server is up is started again at once, in vain, and
    then never.
    """
    parent = multiprocessing.parent_process()
    server = os.environ.get(SERVER_VARIABLE)
    if parent is None and (server is None or server != str(os.getppid())):
        return

    def watch() -> None:
        if parent is not None:
            parent.join()
        else:
            while server == str(os.getppid()):
                time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="watch-code-server", daemon=True).start()


def orphans(runs: Iterable[dg.DagsterRun]) -> list[dg.DagsterRun]:
    """Return those of ``runs`` that no code server executes: the server of their code location does not know them.

    While nothing answers there, nothing is known: a server that is starved answers late. A run that was ended before
    its server is back would not be started again: Dagster tries to once, at once.
    """
    runs = [run for run in runs if GRPC_INFO_TAG in run.tags]
    servers = _servers() if runs else {}
    return [run for run in runs if _executes(run, servers) is False]


def _servers() -> dict[str, dict[str, Any]]:
    """Where the code server of each location is now: after a restart it may listen on another port than a run's."""
    file = Path(os.environ.get("DAGSTER_HOME", ".")) / "workspace.yaml"
    if not file.is_file():
        return {}
    listed = [entry["grpc_server"] for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["load_from"]]
    return {server["location_name"]: server for server in listed}


def _executes(run: dg.DagsterRun, servers: dict[str, dict[str, Any]]) -> bool | None:
    """Whether the code server executes the run; None while it does not answer."""
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin.location_name if origin else ""
    where: dict[str, Any] = servers.get(location) or json.loads(run.tags[GRPC_INFO_TAG])
    client = DagsterGrpcClient(
        host=where["host"], port=where.get("port"), socket=where.get("socket"), use_ssl=bool(where.get("use_ssl"))
    )
    try:
        answer = client.can_cancel_execution(
            CanCancelExecutionRequest(run_id=run.run_id), timeout=_ANSWER_WITHIN_SECONDS
        )
    except Exception:  # whatever gRPC raises
        return None
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel
