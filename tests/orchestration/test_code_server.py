"""Dagster's *Reload* loads what is in the files now; the code server and its worker end together."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import dagster as dg
import psutil
import pytest
from dagster._api.list_repositories import sync_list_repositories_grpc
from dagster._core.errors import DagsterUserCodeProcessError
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ExecuteExternalJobArgs, StartRunResult
from dagster._serdes import deserialize_value
from dagster_graphql.cli import execute_query

from shop_platform.errors import ShopError
from shop_platform.local.ports import any_free
from shop_platform.orchestration import names
from shop_platform.orchestration.defs.operations.orphans import end_orphaned_runs
from shop_platform.orchestration.orphans import GRPC_INFO_TAG, orphans
from shop_platform.orchestration.reload import RELOAD, judge
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("own_servers")

DEFINITIONS = """
import pathlib, time
import dagster as dg
from shop_platform.orchestration.orphans import end_with_code_server

@dg.op
def waits():
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.1)

@dg.job(executor_def=dg.in_process_executor)
def {job}():
    waits()

@dg.definitions
def defs():
    end_with_code_server()
    return dg.Definitions(jobs=[{job}])
"""


class Server:
    """A code server of a small file of definitions."""

    def __init__(self, folder, definitions):
        self.file, self.log, self.port = folder / "tiny.py", folder / "log", any_free()
        self.file.write_text(definitions)
        self.client = DagsterGrpcClient(host="127.0.0.1", port=self.port)
        command = (sys.executable, "-m", "shop_platform.orchestration.code_server", "-f", str(self.file))
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--location-name", "tiny", "--host", "127.0.0.1", "--port", str(self.port)],
                env=os.environ | {"DAGSTER_HOME": str(folder)},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def worker(self):
        (worker,) = psutil.Process(self.process.pid).children()
        return worker

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            self.client.ping("")
        except Exception:
            return False
        return True

    def reload(self, definitions):
        """Load again, as the web server does when somebody presses the button."""
        self.file.write_text(definitions)
        self.client.reload_code(timeout=600)
        sync_list_repositories_grpc(self.client)

    @property
    def repository(self):
        server = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=self.port, location_name="tiny")
        return RemoteRepositoryOrigin(server, names.REPOSITORY)

    def start(self, instance, job):
        """Start a run, as the daemon does."""
        tags = {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": self.port})}
        run = create_run_for_test(instance, job, status=dg.DagsterRunStatus.STARTING, tags=tags)
        origin = RemoteJobOrigin(repository_origin=self.repository, job_name=job)
        asked = ExecuteExternalJobArgs(job_origin=origin, run_id=run.run_id, instance_ref=instance.get_ref())
        assert deserialize_value(self.client.start_run(asked), StartRunResult).success
        return run.run_id


@pytest.fixture
def server(tmp_path):
    """One that answers, of a job `first`."""
    made = Server(tmp_path, DEFINITIONS.format(job="first"))
    eventually(made.answers)
    yield made
    made.process.kill()
    made.process.wait()


def test_a_reload_loads_what_is_in_the_files_now_beside_a_run_and_a_dead_worker_is_an_end(tmp_path, server):
    before = server.worker
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run_id = server.start(instance, "first")
        eventually((tmp_path / "begun").exists)
        with pytest.raises(DagsterUserCodeProcessError, match="half a change"):
            server.reload("raise ValueError('half a change')")
        # It is corrected and loaded again; nothing had to be started again for it.
        server.reload(DEFINITIONS.format(job="second"))
        assert '"second"' in server.client.external_repository(server.repository)

        run = instance.get_run_by_id(run_id)
        assert run.status is dg.DagsterRunStatus.STARTED and orphans([run]) == [], "the old worker executes it"
        (tmp_path / "go").touch()
        eventually(lambda: instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.SUCCESS)
    eventually(lambda: not before.is_running())

    # A supervisor sees only the server.
    server.worker.kill()
    assert server.process.wait() == 1
    assert "the worker ended with code" in server.log.read_text()


def test_a_run_is_ended_at_the_second_look_at_a_server_that_does_not_know_it_and_never_while_none_answers(
    tmp_path, server, monkeypatch
):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    origin = RemoteJobOrigin(repository_origin=server.repository, job_name="first")
    # As after a restart of everything: where the run was started, nothing listens any more.
    gone = {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": 1})}
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:

        def run(status, tags=gone):
            made = create_run_for_test(instance, "first", status=status, tags=tags, remote_job_origin=origin)
            return made.run_id

        made = [run(dg.DagsterRunStatus[status]) for status in ("STARTED", "STARTING", "CANCELING")]
        made.append(run(dg.DagsterRunStatus.STARTED, {}))

        def look(cursor=None):
            return end_orphaned_runs(dg.build_sensor_context(instance=instance, cursor=cursor)).cursor

        def statuses():
            return [instance.get_run_by_id(run_id).status.value for run_id in made]

        look(look())
        assert statuses() == ["STARTED", "STARTING", "CANCELING", "STARTED"], "nobody answered"

        listed = {"host": "127.0.0.1", "port": server.port, "location_name": "tiny"}
        (tmp_path / "workspace.yaml").write_text(json.dumps({"load_from": [{"grpc_server": listed}]}))
        first = look()
        assert first == look(), "a lost cursor only makes it wait"
        assert statuses() == ["STARTED", "STARTING", "CANCELING", "STARTED"]
        look(first)
        assert statuses() == ["FAILURE", "FAILURE", "CANCELED", "STARTED"]


def test_definitions_that_do_not_load_are_told_by_what_the_code_raised(tmp_path, server):
    server.file.write_text("raise ValueError('half a change')")
    target = GrpcServerTarget(host="127.0.0.1", port=server.port, socket=None, location_name="tiny")
    with (
        dg.DagsterInstance.from_config(str(tmp_path)) as instance,
        WorkspaceProcessContext(instance, target) as dagster,
    ):
        answer = execute_query(dagster, RELOAD, {"name": "tiny"})
        with pytest.raises(ShopError, match=r"'tiny' does not load: ValueError: half a change") as told:
            judge("tiny", answer["data"])
        assert told.value.exit_code == 1

        server.file.write_text(DEFINITIONS.format(job="second"))
        judge("tiny", execute_query(dagster, RELOAD, {"name": "tiny"})["data"])


def test_a_killed_server_takes_its_worker_along(server):
    worker = server.worker
    server.process.kill()
    eventually(lambda: not worker.is_running())


def test_definitions_that_do_not_load_at_the_start_are_an_end_with_the_reason(tmp_path):
    broken = Server(tmp_path, "raise ValueError('half a change')")
    assert broken.process.wait() == 1
    assert "ValueError: half a change" in broken.log.read_text()
