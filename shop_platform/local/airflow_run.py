"""Airflow beside the running demo, until Ctrl-C: ``python -m shop_platform.local.airflow_run``."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import psutil

from shop_platform.errors import ShopError
from shop_platform.local.airflow import DAGS, USER, AirflowHome
from shop_platform.local.ports import Claims
from shop_platform.local.processes import Supervisor
from shop_platform.orchestration import names
from shop_platform.settings import Settings, load

_TEND_SECONDS = 2.0
_LEAVE_SECONDS = 3.0


def home_of(settings: Settings) -> AirflowHome:
    """Return the Airflow of the stack that `settings` describe: its DAGs and its connection to that Dagster."""
    dagster = urlsplit(settings.dagster_url)
    connection = {
        "conn_type": "dagster",
        "host": dagster.hostname,
        "port": dagster.port,
        "schema": dagster.scheme,
        "extra": {"location": names.LOCATION_WAREHOUSE},
    }
    return AirflowHome(
        folder=settings.data_dir.resolve() / "airflow",
        settings=settings,
        dags={"shop": DAGS},
        connections={"dagster_default": connection},
    )


@dataclass(frozen=True)
class RunningAirflow:
    """Where Airflow listens, and what tends its processes."""

    url: str
    home: AirflowHome
    supervisors: tuple[Supervisor, ...]

    def tend(self) -> list[str]:
        """Start again what has died; return what happened, as sentences."""
        return [told.detail for supervisor in self.supervisors for told in supervisor.tend() if told.detail]


@contextlib.contextmanager
def running(home: AirflowHome) -> Iterator[RunningAirflow]:
    """Run the four processes of an Airflow that has been prepared, and end all of them on the way out.

    What a process that was killed has left behind ends too: at the beginning and at the end. Raises
    :class:`ShopError` when a process does not come up.
    """
    end_leftovers(home.folder)
    claims = Claims()
    api_server, *rest = home.services(home.ports(claims))
    logs = home.folder / "processes"
    # Two supervisors, because the others still report to the API server while they end.
    server, others = Supervisor(logs), Supervisor(logs)
    try:
        server.start(api_server)
        server.wait_ready(api_server.name)
        for service in rest:
            others.start(service)
        for service in rest:
            others.wait_ready(service.name)
        yield RunningAirflow(str(api_server.url), home, (server, others))
    finally:
        others.stop_all()
        server.stop_all()
        end_leftovers(home.folder)
        claims.close()


def end_leftovers(folder: Path) -> int:
    """End every process whose AIRFLOW_HOME is ``folder``; return how many there were.

    A scheduler that is killed leaves its workers, which ignore SIGTERM, and its log server, which listens on every
    interface. They are nobody's children any more; only their environment tells whose they are.
    """
    left = [process for process in psutil.process_iter() if _home(process) == str(folder)]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=_LEAVE_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=_LEAVE_SECONDS)
    return len(left)


def _home(process: psutil.Process) -> str | None:
    try:
        return None if process.pid == os.getpid() else process.environ().get("AIRFLOW_HOME")
    except (psutil.Error, OSError):  # another user's, or gone meanwhile
        return None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the kernel's lock on `folder`, or say who has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ShopError(f"Airflow already runs in {folder}", "End it with Ctrl-C in its terminal.") from error
        yield


def run() -> None:
    """Start Airflow against the running stack, print where it is, and tend it until a signal comes."""
    settings = load()
    if not settings.stack_env_path.exists():
        raise ShopError("No stack is running", "Start one with `make demo` in another terminal.")
    home = home_of(settings)
    say = sys.stdout.write
    with _alone(home.folder):
        say("preparing Airflow's database ...\n")
        home.prepare()
        say("starting Airflow (about a minute) ...\n")
        with running(home) as airflow:
            say(f"Airflow: {airflow.url}\nlogin: {USER}   password: {home.secrets()['admin']}\nCtrl-C ends it.\n")
            sys.stdout.flush()
            while settings.stack_env_path.exists():
                for told in airflow.tend():
                    say(f"{told}\n")
                sys.stdout.flush()
                time.sleep(_TEND_SECONDS)
            say("The stack has ended; Airflow ends with it.\n")


def main() -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # A second Ctrl-C must not leave half of them behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        sys.stdout.write("ending Airflow ...\n")
        sys.stdout.flush()
        raise KeyboardInterrupt

    # SIGINT too: a background job of a non-interactive shell inherits it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        run()
    except KeyboardInterrupt:
        return 0
    except ShopError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
