"""Several ingest processes that share the partitions: start them, restart what dies, end them together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import structlog

from shop_platform.children import SUPERVISED_VARIABLE, Restarts, die_with_parent
from shop_platform.errors import ShopError
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.service_events import ENDED, STARTED, Events, ServiceEvent

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.2
_STOP_SECONDS = 30.0
# The exit code after which another start would end the same way: a person has to correct the configuration.
_FOR_A_PERSON = ShopError.exit_code


@dataclass
class _Member:
    number: int
    process: subprocess.Popen[bytes]
    restarts: Restarts = field(default_factory=Restarts)


def run_fleet(settings: Settings, processes: int, stop: threading.Event) -> int:
    """Run ``processes`` services until ``stop`` is set or one of them needs a person; return the exit code.

    A member that dies or gets stuck is started again with growing pauses; the others take its partitions meanwhile.
    The health endpoint of member ``n`` (from 0) listens on ``SHOP_INGEST_HEALTH_PORT + n``.
    """
    members = [_Member(number, _start(settings, number)) for number in range(processes)]
    events = Events(settings, Role.INGEST)
    log.info("fleet_started", processes=processes, pids=[member.process.pid for member in members])
    code = 0
    try:
        while not stop.wait(_POLL_SECONDS):
            for member in members:
                ended = member.process.poll()
                if ended is None:
                    continue
                if ended == _FOR_A_PERSON:
                    return ended
                _again(settings, member, ended, events)
    finally:
        code = max(code, _end(members))
    return code


def _start(settings: Settings, number: int) -> subprocess.Popen[bytes]:
    environment = os.environ | settings.process_environment() | {SUPERVISED_VARIABLE: "1"}
    if settings.ingest_health_port:
        environment["SHOP_INGEST_HEALTH_PORT"] = str(settings.ingest_health_port + number)
    # Its own session: Ctrl-C reaches this process alone, which then ends the members in order.
    return subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "ingest"],
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl and signal are called
    )


def _again(settings: Settings, member: _Member, ended: int, events: Events) -> None:
    process = f"member {member.number}"
    if member.restarts.not_before is None:
        pause = member.restarts.ended()
        log.warning("member_ended", number=member.number, exit_code=ended, retry_in_seconds=pause)
        events.add(ServiceEvent("ingest", ENDED, f"Member {member.number} ended with code {ended}.", process))
    if member.restarts.due():
        member.process = _start(settings, member.number)
        events.add(ServiceEvent("ingest", STARTED, process=process))


def _end(members: list[_Member]) -> int:
    """End every member, politely first; return 1 when one had to be killed."""
    for member in members:
        if member.process.poll() is None:
            member.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    killed = 0
    for member in members:
        try:
            member.process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            member.process.kill()
            member.process.wait()
            killed = 1
    return killed
