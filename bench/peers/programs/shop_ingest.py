"""Run by the project's own interpreter: the ingestion in one process or several, measured exactly as the peers are.

One process reads to the end and ends. Several are services that share the partitions: each is a child that has loaded
everything before the clock starts and joins the group after it, as the peers do.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import Any

_POLL_SECONDS = 0.1


def main() -> None:
    """Read the order from stdin, say when reading starts, run to the end."""
    order = json.loads(sys.stdin.readline())
    os.environ.update(order["environment"])
    if order["processes"] == 1:
        _alone()
    else:
        _together(order["processes"])


def _alone() -> None:
    from shop_platform.ingest.until_end import ingest_until_end
    from shop_platform.settings import load

    settings = load()
    _say_started()
    ingest_until_end(settings, subjects=["web"])


def _together(processes: int) -> None:
    from shop_platform.ingest.lag import end_offsets, stored_offsets
    from shop_platform.settings import Role, load
    from shop_platform.warehouse.connect import connect

    settings = load()
    ends = {place: high for place, (low, high) in end_offsets(settings).items() if high > low}
    context = multiprocessing.get_context("spawn")
    line = context.Barrier(processes + 1)
    # Daemons: when one has failed, the end of this process must not wait for the others.
    members = [context.Process(target=_serve, args=(line,), daemon=True) for _ in range(processes)]
    for member in members:
        member.start()
    line.wait(60)
    _say_started()
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        while any(stored_offsets(admin).get(place, 0) < end for place, end in ends.items()):
            if not all(member.is_alive() for member in members):
                sys.exit("a member of the fleet has ended")
            time.sleep(_POLL_SECONDS)
        row = admin.execute("select count(distinct writer) from ops.ingest_batches where messages > 0").fetchone()
    for member in members:
        member.terminate()
    for member in members:
        member.join(30)
    if row != (processes,):
        sys.exit(f"{row} of {processes} processes did the work")


def _serve(line: Any) -> None:
    from shop_platform.ingest.service import run_service
    from shop_platform.settings import load

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = load()
    line.wait(60)
    run_service(settings, stop)


def _say_started() -> None:
    print(json.dumps({"started": time.time()}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
