"""A mark that meets Airflow's scheduler, on a running Airflow 3.3 with PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import Connection

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.airflow.client import AirflowClient
from tests.airflow.conftest import Tiny, held
from tests.support.waiting import eventually

pytestmark = pytest.mark.airflow

_WAITING = """
select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""
_DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"


@contextlib.contextmanager
def without_a_scheduler() -> Iterator[None]:
    """Freeze Airflow's scheduler, but not the workers of the tasks, which are its children."""

    def is_scheduler(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):  # the workers of tasks come and go
            return process.cmdline()[-1:] == ["scheduler"]
        return False

    (scheduler,) = filter(is_scheduler, psutil.Process().children(recursive=True))
    scheduler.suspend()
    try:
        yield
    finally:
        scheduler.resume()


@contextlib.contextmanager
def patient_about_deadlocks(admin: Connection[Any]) -> Iterator[None]:
    """Who begins to wait first looks for a deadlock first: give the others the time to come, on any machine."""
    admin.execute("alter system set deadlock_timeout = '5s'")
    admin.execute("select pg_reload_conf()")
    try:
        yield
    finally:
        admin.execute("alter system reset deadlock_timeout")
        admin.execute("select pg_reload_conf()")


def test_a_mark_holds_that_ends_in_a_deadlock_with_the_scheduler(airflow: AirflowClient, tiny: Tiny) -> None:
    """Airflow's scheduler takes the run up once more, finds all leaves skipped, and alone would make it a success."""
    address = airflow.home.environment()["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    with (
        held(tiny, "events"),
        connect(airflow.home.settings, Role.ADMIN, database="postgres", autocommit=True) as admin,
        patient_about_deadlocks(admin),
        psycopg.connect(address) as third,
        psycopg.connect(address, autocommit=True) as watching,
        ThreadPoolExecutor() as threads,
    ):

        def ask(query: str, *arguments: Any) -> Any:
            (found,) = watching.execute(query, arguments).fetchone() or (None,)
            return found

        run = airflow.trigger("watched")
        run.wait_for("launch", ["running"])
        with without_a_scheduler():
            run.wait_for("launch", ["success"])
            looked = "select last_scheduling_decision from dag_run where run_id = %s"
            before, deadlocks = ask(looked, run.run_id), ask(_DEADLOCKS)
            row = "select from task_instance where run_id = %s and task_id = 'dagster_run' for update"
            third.execute(row, [run.run_id])
            mark = threads.submit(run.fail)
            eventually(lambda: ask(_WAITING) == 1)
        eventually(lambda: ask(_WAITING) == 2)  # the scheduler, which has the DAG run, wants the task as well
        third.rollback()  # the mark gets the task, and wants the DAG run
        mark.result()
        eventually(lambda: ask(_DEADLOCKS) == deadlocks + 1)
        eventually(lambda: ask(looked, run.run_id) != before)
        assert run.state() == "failed"
