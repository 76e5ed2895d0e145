"""Faults of a running stack: what is done to it, which incident that is, and how it ends."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
from confluent_kafka import Producer

from shop_platform.ingest.halts import open_halts
from shop_platform.orchestration import names
from shop_platform.orchestration.launch import launch_job, wait_for_run
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_GARBAGE = 3_000


@dataclass(frozen=True)
class Stack:
    """A running stack: its settings and the process that supervises it."""

    settings: Settings
    supervisor: int

    def process(self, *words: str) -> psutil.Process:
        """Return the supervised process whose command line has all ``words``."""
        for child in psutil.Process(self.supervisor).children():
            with suppress(psutil.Error):
                line = child.cmdline()
                if all(any(word in part for part in line) for word in words):
                    return child
        raise LookupError(f"no process {' '.join(words)}")


@dataclass(frozen=True)
class Fault:
    """One fault. ``begin`` causes it and returns what ends it; ``None``: the stack ends it by itself.

    ``incidents`` are the beginnings of the keys by which it may be told: a frozen process may be found by its silence
    or by its supervisor.
    """

    name: str
    incidents: tuple[str, ...]
    begin: Callable[[Stack], Callable[[], None] | None]
    found_by_a_run: bool = False
    """Whether ``begin`` and its end wait for the run that finds the fault, or finds it gone: time counts from then."""
    afterwards: Callable[[Stack], None] | None = None
    """What a person does when it is over, lest the next one is disturbed."""


def halt(stack: Stack) -> Callable[[], None]:
    """A producer sends garbage; a person gives the letters up with the command that the halt names."""
    producer = Producer(stack.settings.kafka_client(log_level=0))
    for number in range(_GARBAGE):
        producer.produce("shop.returns", b"\xff\xfegarbage %d" % number, key=str(number).encode())
    producer.flush(30)

    def end() -> None:
        with connect(stack.settings, Role.ORCHESTRATOR) as connection:
            (waiting,) = open_halts(connection, "shop.returns")
        command = waiting.resolution.split("`")[1]
        environment = os.environ | stack.settings.process_environment()
        subprocess.run(shlex.split(f"env {command}"), env=environment, check=True, capture_output=True)

    return end


def discard_garbage(stack: Stack) -> None:
    """The person gives up what was garbage: it waits as dead letters."""
    command = ("dead-letters", "discard", "--topic", "shop.returns", "--yes", "--because", "garbage of a test")
    environment = os.environ | stack.settings.process_environment()
    subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", *command], env=environment, check=True, capture_output=True
    )


def frozen(*words: str) -> Callable[[Stack], None]:
    """A process is stopped; its supervisor kills it after half a minute and starts another."""

    def begin(stack: Stack) -> None:
        stack.process(*words).send_signal(signal.SIGSTOP)

    return begin


def postgres_frozen(stack: Stack) -> Callable[[], None]:
    """PostgreSQL lets nobody in."""
    postmaster = stack.process("postgres", "-D")
    everybody = [postmaster, *postmaster.children(recursive=True)]
    for process in everybody:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGSTOP)

    def end() -> None:
        for process in everybody:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)

    return end


def dies_again_and_again(*words: str) -> Callable[[Stack], None]:
    """A process is killed as soon as it is there, four times."""

    def begin(stack: Stack) -> None:
        for _ in range(4):
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with suppress(LookupError):
                    stack.process(*words).kill()
                    break
                time.sleep(0.1)
            time.sleep(1)

    return begin


def lost_line(stack: Stack) -> Callable[[], None]:
    """Somebody deletes a line of an order from a mart; it is put back."""
    with connect(stack.settings, Role.ADMIN) as admin:
        row = admin.execute(
            "delete from marts.fct_order_lines where (order_id, line_number) = ("
            " select order_id, line_number from marts.fct_order_lines order by order_id limit 1)"
            " returning to_jsonb(fct_order_lines)::text"
        ).fetchone()
        assert row is not None
    _transform(stack)

    def end() -> None:
        with connect(stack.settings, Role.ADMIN) as admin:
            admin.execute(
                "insert into marts.fct_order_lines"
                " select (jsonb_populate_record(null::marts.fct_order_lines, %s::jsonb)).*",
                row,
            )
        _transform(stack)

    return end


def _transform(stack: Stack) -> None:
    """Have every model built and tested, as the sensor does after new rows."""
    run_id = launch_job(stack.settings, names.JOB_TRANSFORM, tags={names.TAG_TRIGGER: "sensor:bench"})
    wait_for_run(stack.settings, run_id)


FAULTS = (
    Fault(
        "3,000 garbage messages on one topic",
        ("halt:shop.returns", "check:raw/returns:few_dead_letters"),
        halt,
        afterwards=discard_garbage,
    ),
    Fault("ingestion frozen", ("service:ingest", "frozen:ingest"), frozen("shop_platform.cli", "ingest")),
    Fault("refresher frozen", ("service:refresher", "frozen:refresher"), frozen("shop_platform.cli", "refresh")),
    Fault("Kafka frozen", ("service:kafka", "frozen:kafka"), frozen("shop_platform.local.broker")),
    Fault(
        "code server frozen",
        ("service:dagster-warehouse", "frozen:dagster-warehouse"),
        frozen("code_server", "warehouse_location"),
    ),
    Fault("Dagster's daemon frozen", ("service:dagster-daemon", "frozen:dagster-daemon"), frozen("dagster._daemon")),
    Fault("Dagster's web server frozen", ("service:dagster-web", "frozen:dagster-web"), frozen("dagster_webserver")),
    Fault("dashboard frozen", ("service:dashboard", "frozen:dashboard"), frozen("dashboard.serve")),
    Fault("PostgreSQL lets nobody in", ("service:postgres",), postgres_frozen),
    Fault(
        "dashboard ends again and again",
        ("restarting:dashboard", "service:dashboard"),
        dies_again_and_again("dashboard.serve"),
    ),
    Fault(
        "a line of an order is lost in a mart", ("check:marts/", "check:intermediate/"), lost_line, found_by_a_run=True
    ),
)
