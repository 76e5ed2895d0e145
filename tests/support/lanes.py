"""What a test needs, by its fixtures: the lane it is in, and that the fast one starts no server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import pytest

from tests.support.suites import SUITES

FAST = "fast"
SLOW_MARK = "slow"

# The dearest first: a test is in the first lane of which it has a fixture.
FIXTURES = {
    "airflow": {"airflow", "tiny", "_airflow_can_be_had"},
    "kafka": {"real_kafka", "kafka_bootstrap", "secure_broker"},
    "browser": {"browser"},
    "compose": {"_compose"},
    "mount": {"disk"},
    "clocks": {"clock_folder"},
    "languages": {"validator_in_javascript", "validator_in_go", "producer_in_javascript", "producer_in_go"},
    "demo": {"demo"},
    "platform": {"standing"},
    "dagster": {"code_locations", "evaluate", "record", "on_call"},
    "dbt": {"_shop", "world", "real_marts", "upgraded", "dbt"},
    "broker": {"shop", "broker", "bootstrap", "embedded_bootstrap", "mortal_shop", "own_servers"},
    "postgres": {"postgres_server", "mortal_server"},
}
MEANING = {
    "airflow": "a real Airflow",
    "kafka": "real Apache Kafka",
    "browser": "a real browser",
    "compose": "docker compose",
    "mount": "a small file system",
    "clocks": "a clock that is turned",
    "languages": "Node.js or Go",
    "demo": "the whole stack, as a user starts it",
    "platform": "a whole platform with its Dagster",
    "dagster": "Dagster and its definitions",
    "dbt": "marts that dbt builds",
    "broker": "the development broker, or servers of the test's own",
    "postgres": "PostgreSQL",
    FAST: "nothing that has to be started",
}
SLOW = ("airflow", "kafka", "clocks", "demo", "platform")
"""What a change is judged by and not every run of the tests needs: `make test` leaves it out, the gate does not."""

_PROGRAMS = {"postgres", "initdb", "java", "chromium", "chrome", "google-chrome", "docker", "dbt", "dagster", "airflow"}
_MODULES = {"shop_platform.local.broker", "dashboard.serve", "dbt.cli.main", "shop_platform.orchestration.dbt_command"}


def lane_of(item: pytest.Item) -> str:
    """Return the lane of a test."""
    fixtures = set(getattr(item, "fixturenames", ()))
    for lane, names in FIXTURES.items():
        if fixtures & names or (lane in SUITES and item.get_closest_marker(lane)):
            return lane
    return FAST


def left_out_by(marks: str) -> set[str]:
    """Return the lanes that `make test` and `make test-fast` leave out, by the marks that they ask for."""
    return {f"not {SLOW_MARK}": set(SLOW), FAST: set(FIXTURES)}.get(marks, set())


class _Watch:
    """An audit hook, which cannot be taken away again, and whether it minds."""

    on = False
    added = False


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or not _Watch.on:
        return
    words = arguments[1].split() if isinstance(arguments[1], str) else [str(word) for word in arguments[1]]
    if _MODULES.intersection(words) or any(PurePath(word).name in _PROGRAMS for word in words):
        command = " ".join(words)[:200]
        raise AssertionError(f"a test of the fast lane starts '{command}': ask for a server's fixture, or own_servers")


@contextmanager
def no_servers() -> Iterator[None]:
    """Refuse, while the block runs, to start a process that is a server or brings one."""
    if not _Watch.added:
        sys.addaudithook(_hear)
        _Watch.added = True
    _Watch.on = True
    try:
        yield
    finally:
        _Watch.on = False
