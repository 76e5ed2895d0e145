"""Run by mq-bridge's interpreter: start the route that comes on stdin, stop it when stdin is closed."""

from __future__ import annotations

import json
import sys
import time

from mq_bridge import Route  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Read the order from stdin, say when reading starts; the route itself runs in Rust."""
    order = json.loads(sys.stdin.readline())
    route = Route.from_config(order["route"])
    print(json.dumps({"started": time.time()}), flush=True)  # noqa: T201
    route.start()
    sys.stdin.readline()
    route.stop()
    route.join()


if __name__ == "__main__":
    main()
