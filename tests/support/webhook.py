"""A real HTTP server that keeps what is posted to it and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """``received``: the bodies it took, each with the monotonic second ``at`` which it came.

    ``status``: what it answers; ``hangs``: whether it does not answer at all.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.received: list[dict[str, Any]] = []
        self.hangs = threading.Event()
        self.let_go = threading.Event()

    def titles(self) -> list[tuple[str, str]]:
        """Return status and title of each message."""
        return [(body["status"], body["title"]) for body in self.received]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve on a free loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.hangs.is_set():
                hook.let_go.wait(30)
                return
            if hook.status == 200:
                hook.received.append(body | {"at": time.monotonic()})
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Webhook(f"http://127.0.0.1:{server.server_address[1]}/secret-path")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
