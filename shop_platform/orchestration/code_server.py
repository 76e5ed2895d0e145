"""A code server that loads its definitions again when Dagster's *Reload* asks.

It is Dagster's own (``dagster code-server start``, with its options): a process that listens, and behind it a worker
that has loaded the definitions and executes runs. A reload starts a new worker; the old one ends once its runs have.
What a supervisor relies on is added: the two end together, and a first load that fails is an end, with the error in
the log.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, cast

from dagster._api.list_repositories import sync_list_repositories_grpc
from dagster._cli.code_server import start_command
from dagster._core.remote_representation.grpc_server_registry import ServerRegistryEntry
from dagster._grpc import proxy_server
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest
from dagster._serdes import deserialize_value

from shop_platform.local.processes import Frozen
from shop_platform.orchestration.orphans import SERVER_VARIABLE

_LOOK_SECONDS = 0.5


class CodeServer(proxy_server.DagsterProxyApiServicer):
    """Dagster's servicer, which ends with its worker and knows the runs of workers that were replaced."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        try:
            sync_list_repositories_grpc(cast(DagsterGrpcClient, self._client))
        except Exception as error:  # whatever the definitions raised, or no worker at all
            sys.stderr.write(f"The definitions could not be loaded: {error}\n")
            sys.stderr.flush()
            # Whoever supervises this process tries again. A later load that fails is shown by Dagster instead.
            self._grpc_server_registry.shutdown_all_processes()
            os._exit(1)
        threading.Thread(target=self._watch, name="watch-worker", daemon=True).start()

    def CanCancelExecution(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Ask the worker that executes the run, which a reload may have replaced since: its run is no orphan."""
        asked = deserialize_value(request.serialized_can_cancel_execution_request, CanCancelExecutionRequest)
        worker = self._run_clients.get(asked.run_id)
        if worker is None:
            return super().CanCancelExecution(request, context)  # type: ignore[no-untyped-call]
        return worker._get_response("CanCancelExecution", request)

    def _watch(self) -> None:
        """End when the worker has ended by itself; end a worker that has been stopped (SIGSTOP) for a while."""
        frozen = Frozen()
        while not self._server_termination_event.wait(_LOOK_SECONDS):
            worker = self._worker()
            if worker is None or self._shutdown_once_executions_finish_event.is_set():
                continue
            if worker.poll() is not None:
                sys.stderr.write(f"the worker ended with code {worker.returncode}\n")
                os._exit(1)
            if frozen.lasts(worker.pid):
                worker.kill()

    def _worker(self) -> Any:
        """Return the present worker's process; ``None`` while it is being replaced, or could not be."""
        entry = self._grpc_server_registry._active_entries.get(self._origin.get_id())
        return entry.process.server_process if isinstance(entry, ServerRegistryEntry) else None


def main() -> None:
    """Serve until SIGTERM; the options are those of ``dagster code-server start``."""
    os.environ[SERVER_VARIABLE] = str(os.getpid())
    proxy_server.DagsterProxyApiServicer = CodeServer  # type: ignore[assignment, misc]
    start_command()


if __name__ == "__main__":
    main()
