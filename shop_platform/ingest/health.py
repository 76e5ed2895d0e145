"""Is this ingest process alive and getting on? An HTTP answer for probes, and an end for a process that is stuck."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from shop_platform.errors import ShopError

log = structlog.get_logger(__name__)

EXIT_STALLED = 4
STARTING, RUNNING, WAITING = "starting", "running", "waiting"


@dataclass
class Health:
    """What the loop says of itself; plain assignments, so that any thread may read it.

    The loop calls :meth:`tick` whenever it comes round and :meth:`progress` whenever it committed something or has
    nothing to do.
    """

    writer: str = ""
    state: str = STARTING
    reason: str = ""
    lag: int = 0
    rows_per_second: float = 0.0
    partitions: int = 0
    halted: list[str] = field(default_factory=list)
    ticked_at: float = field(default_factory=time.monotonic)
    progressed_at: float = field(default_factory=time.monotonic)

    def tick(self) -> None:
        """Say that the loop came round."""
        self.ticked_at = time.monotonic()

    def progress(self) -> None:
        """Say that something was committed, or that nothing waits."""
        self.progressed_at = time.monotonic()

    def stalled(self, limit_seconds: float) -> str | None:
        """Return why the process counts as stuck, if it does.

        Waiting for PostgreSQL or Kafka to come back is not: the loop goes round meanwhile.
        """
        now = time.monotonic()
        if now - self.ticked_at > limit_seconds:
            return f"the loop has not come round for {now - self.ticked_at:.0f} s"
        if self.state == RUNNING and self.lag and now - self.progressed_at > limit_seconds:
            return f"{self.lag} messages wait and none was committed for {now - self.progressed_at:.0f} s"
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return the answer of the endpoint."""
        now = time.monotonic()
        return {
            "healthy": self.state == RUNNING,
            "state": self.state,
            "reason": self.reason,
            "writer": self.writer,
            "partitions": self.partitions,
            "halted": self.halted,
            "lag": self.lag,
            "rows_per_second": round(self.rows_per_second, 1),
            "seconds_since_loop": round(now - self.ticked_at, 1),
            "seconds_since_progress": round(now - self.progressed_at, 1),
        }


class Watchdog:
    """Ends the process when its loop is stuck: supervisors restart what exits, not what is merely unhealthy."""

    def __init__(self, health: Health, limit_seconds: float, end: Callable[[int], None] = os._exit) -> None:
        self._health = health
        self._limit = limit_seconds
        self._end = end
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._health.tick()
        self._health.progress()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(min(1.0, self._limit / 4)):
            reason = self._health.stalled(self._limit)
            if reason is not None:
                log.critical("ingest_stalled", reason=reason, exit_code=EXIT_STALLED)
                self._end(EXIT_STALLED)
                return


class HealthServer:
    """``GET /healthz``: 200 while the process reads and commits, 503 with the reason otherwise. Port 0: none."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._server: ThreadingHTTPServer | None = None
        if not port:
            return

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.rstrip("/") not in {"/healthz", ""}:
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                answer = health.as_dict()
                body = json.dumps(answer).encode()
                self.send_response(HTTPStatus.OK if answer["healthy"] else HTTPStatus.SERVICE_UNAVAILABLE)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Probes come every few seconds; their requests are no news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ShopError(
                f"The health endpoint cannot listen on {host}:{port}: {error.strerror}",
                "Set SHOP_INGEST_HEALTH_PORT to a free port, or to 0 for none.",
            ) from error

    def __enter__(self) -> HealthServer:
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="ingest-health", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
