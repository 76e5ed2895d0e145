"""Run by the project's own interpreter: the ingestion in one process, measured exactly as the peers are."""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    """Read the order from stdin, say when reading starts, run to the end."""
    order = json.loads(sys.stdin.readline())
    os.environ.update(order["environment"])
    from shop_platform.ingest.until_end import ingest_until_end
    from shop_platform.settings import load

    settings = load()
    print(json.dumps({"started": time.time()}), flush=True)  # noqa: T201
    ingest_until_end(settings, subjects=["web"])


if __name__ == "__main__":
    main()
