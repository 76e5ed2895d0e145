"""`python -m shop_platform.local.broker`: the embedded development broker as a process.

Prints one JSON line on standard output when it is ready; logs to standard error. Exit codes: 0 after SIGTERM or SIGINT,
2 when it cannot start (port taken, folder in use, production).
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

# kio imports hypothesis when it is installed; in this process that would only cost 150 ms and 20 MB.
sys.modules.setdefault("hypothesis", None)  # type: ignore[arg-type]

from .context import BrokerContext  # noqa: E402
from .coordinator import GroupCoordinator  # noqa: E402
from .errors import StartError  # noqa: E402
from .offsets import OffsetStore  # noqa: E402
from .server import Server, listen  # noqa: E402
from .store import Store  # noqa: E402

_log = logging.getLogger("shop_platform.local.broker")


def main(arguments: list[str] | None = None) -> int:
    """Run the broker until a signal; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(options, stop)
    except StartError as error:
        sys.stderr.write(f"the development broker cannot start: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shop_platform.local.broker", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the log; created if missing")
    parser.add_argument("--port", type=int, required=True, help="TCP port; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument(
        "--auto-create-partitions",
        type=int,
        default=0,
        metavar="N",
        help="create unknown topics on first use with N partitions (default: topics are never created so)",
    )
    parser.add_argument(
        "--retention-check-seconds",
        type=float,
        default=30.0,
        metavar="S",
        help="how often topics are cut to their retention.ms and retention.bytes (default: %(default)s)",
    )
    parser.add_argument(
        "--stop-with-stdin",
        action="store_true",
        help="stop when standard input ends, so that the broker never outlives the process that started it",
    )
    return parser


def run(options: argparse.Namespace, stop: threading.Event) -> None:
    """Open the data folder, serve until `stop` is set, close.

    Raises:
        StartError: with what to do about it.
    """
    if os.environ.get("SHOP_ENV") == "prod":
        raise StartError("it is not for production (SHOP_ENV=prod); point SHOP_* at a real Kafka")
    started = time.monotonic()
    listener = listen(options.host, options.port)
    try:
        store = Store(options.data)
        groups = GroupCoordinator(OffsetStore(options.data / "offsets.db"))
    except OSError as error:
        raise StartError(f"{options.data}: {error.strerror or error}") from error
    server = Server(listener, BrokerContext(store, groups, options.auto_create_partitions))
    server.start()
    host, port = listener.getsockname()[:2]
    ready = {
        "event": "broker.ready",
        "host": host,
        "port": port,
        "pid": os.getpid(),
        "data": str(options.data),
        "cluster_id": store.catalog.cluster_id,
        "topics": len(store.catalog.topics),
        "start_ms": round((time.monotonic() - started) * 1000),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    if options.stop_with_stdin:
        threading.Thread(target=_stop_with_stdin, args=(stop,), daemon=True).start()
    while not stop.wait(options.retention_check_seconds):
        store.apply_retention()
    server.stop()
    groups.close()
    store.close()
    _log.info("stopped")


def _stop_with_stdin(stop: threading.Event) -> None:
    while os.read(0, 4096):  # not sys.stdin: its lock, held by a daemon thread, breaks the interpreter's exit
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
