"""A killed code server or daemon leaves no run STARTED, no mart half-written, and nothing for a person to do.

That the marts are whole is verified when the platform ends (`standing`).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from shop_platform.monitoring.probes import dagster_web
from shop_platform.orchestration import names, orphans
from shop_platform.orchestration.instance import home
from shop_platform.orchestration.launch import launch_job, location_errors, wait_for_run
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.orchestration.conftest import Platform
from tests.orchestration.dagster_ui import at_rest, launch_part, orders, retries, run_workers, runs
from tests.orchestration.shop_day import shop_day
from tests.support.events import LedgerProducer
from tests.support.waiting import eventually


@contextmanager
def in_the_middle_of_a_build(settings: Settings) -> Iterator[str]:
    """A run of `transform` whose dbt has built one mart and waits for another one."""
    # A build that the sensor asked for would wait for the lock in its stead.
    eventually(lambda: at_rest(settings))
    with connect(settings, Role.TRANSFORM) as other:
        other.execute("lock table marts.kpi_daily in access exclusive mode")
        run_id = launch_part(settings, "fct_orders", "kpi_daily")
        eventually(lambda: waits_for_a_lock(settings))
        yield run_id


def waits_for_a_lock(settings: Settings) -> bool:
    with connect(settings, Role.ADMIN) as admin:
        found = admin.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            " and usename = %s",
            [settings.user(Role.TRANSFORM)],
        ).fetchone()
    return found is not None and int(str(found[0])) > 0


def kill(settings: Settings, words: str) -> None:
    """SIGKILL the service of this very Dagster whose command holds ``words``."""
    for process in psutil.process_iter():
        try:
            if words in " ".join(process.cmdline()) and process.environ().get("DAGSTER_HOME") == str(home(settings)):
                os.kill(process.pid, signal.SIGKILL)
        except psutil.Error:
            continue


def test_a_run_of_a_killed_code_server_is_ended_and_started_again(standing: Platform) -> None:
    settings = standing.settings
    before = orders(settings)
    with in_the_middle_of_a_build(settings) as killed:
        assert run_workers(settings)
        kill(settings, names.MODULES[names.LOCATION_WAREHOUSE])
        assert orders(settings) == before, "what was there can be read"
        # The run's process ends by itself and says nothing: as if both had been killed at once.
        eventually(lambda: not run_workers(settings))
        assert runs(settings)[killed] == "STARTED"
        eventually(lambda: standing.supervisor.tend() == standing.supervisor.down() == [])
        standing.supervisor.wait_ready("dagster-warehouse")
        eventually(lambda: runs(settings)[killed] == "FAILURE")
    eventually(lambda: retries(settings, killed) in (["success"], ["failure"]))
    assert retries(settings, killed) == ["success"]


def test_each_code_location_does_its_work_while_the_other_is_away(standing: Platform) -> None:
    settings = standing.settings
    # A run that died with its server is ended by a sensor of the other location, which is to be away as well.
    eventually(lambda: at_rest(settings))
    kill(settings, names.MODULES[names.LOCATION_WAREHOUSE])
    LedgerProducer(settings, "survival").send(shop_day(13))
    eventually(lambda: "ord_13" in landed(settings))
    eventually(lambda: "dagster-warehouse" in away(settings))
    eventually(lambda: standing.supervisor.tend() == standing.supervisor.down() == [])
    standing.supervisor.wait_ready("dagster-warehouse")
    eventually(lambda: not location_errors(settings.dagster_url))

    kill(settings, names.MODULES[names.LOCATION_INGESTION])
    LedgerProducer(settings, "survival").send(shop_day(14))
    whole = wait_for_run(settings, launch_job(settings, names.JOB_FULL_PIPELINE))
    assert whole.succeeded, whole
    assert orders(settings) >= {"ord_13", "ord_14"}
    eventually(lambda: standing.supervisor.tend() == standing.supervisor.down() == [])
    standing.supervisor.wait_ready("dagster-ingestion")


def landed(settings: Settings) -> set[str]:
    with connect(settings, Role.ORCHESTRATOR) as connection:
        return {str(row[0]) for row in connection.execute("select distinct subject from raw.orders")}


def away(settings: Settings) -> set[str]:
    """What whoever tells of incidents finds away of Dagster's web server and code servers."""
    return {state.service for state in dagster_web(settings) if not state.up}


def test_a_run_goes_on_without_the_daemon_which_finds_its_place_again(standing: Platform) -> None:
    settings = standing.settings
    with in_the_middle_of_a_build(settings) as run_id:
        kill(settings, "dagster._daemon")
    eventually(lambda: runs(settings)[run_id] == "SUCCESS")
    eventually(lambda: standing.supervisor.tend() == standing.supervisor.down() == [])
    LedgerProducer(settings, "survival").send(shop_day(12))
    eventually(lambda: "ord_12" in orders(settings))


def test_only_a_runs_process_watches_its_parent() -> None:
    before = {thread.name for thread in threading.enumerate()}
    orphans.end_with_code_server()
    assert {thread.name for thread in threading.enumerate()} == before
