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

import dagster as dg
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
    """Return those of ``runs`` that no code server executes: it does not know them, or nothing answers there."""
    return [run for run in runs if GRPC_INFO_TAG in run.tags and not _is_executed(run)]


def _is_executed(run: dg.DagsterRun) -> bool:
    where = json.loads(run.tags[GRPC_INFO_TAG])
    client = DagsterGrpcClient(
        host=where.get("host"), port=where.get("port"), socket=where.get("socket"), use_ssl=bool(where.get("use_ssl"))
    )
    try:
        answer = client.can_cancel_execution(
            CanCancelExecutionRequest(run_id=run.run_id), timeout=_ANSWER_WITHIN_SECONDS
        )
    except Exception:
        # Whatever gRPC raises. A run does not outlive its code server (see above), so one that is away executes none.
        return False
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel
