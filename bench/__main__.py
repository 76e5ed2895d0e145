"""Run the measurements and write ``build/bench.json``: ``python -m bench [--only PART]``."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from shop_platform.errors import ShopError

PARTS = ("generator", "ingest", "warehouse", "plan", "demo")
# Minutes and gigabytes, or Java and environments of their own: only when asked for by name.
LONG_PARTS = ("ingest_peers", "ingest_soak", "warehouse_growth", "freshness", "incidents")
# `--only ingest` measures the peers too, after the own figures.
_TOGETHER = {"ingest": ("ingest", "ingest_peers")}
OUTPUT = Path(__file__).resolve().parent.parent / "build" / "bench.json"


def main() -> int:
    """Measure the chosen parts; a part's earlier figures are replaced, the others stay."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS + LONG_PARTS, help="one part instead of all")
    only = parser.parse_args().only
    known = {row["name"]: row for row in json.loads(OUTPUT.read_text())} if OUTPUT.exists() else {}
    for part in _TOGETHER.get(only, (only,)) if only else PARTS:
        sys.stderr.write(f"measuring {part} …\n")
        for row in importlib.import_module(f"bench.{part}").run():
            row |= {
                "load_average": round(os.getloadavg()[0], 2),
                "at": dt.datetime.now(dt.UTC).isoformat("T", "seconds"),
            }
            known[row["name"]] = row
            sys.stdout.write(_line(row) + "\n")
        OUTPUT.parent.mkdir(exist_ok=True)
        OUTPUT.write_text(json.dumps(list(known.values()), indent=2) + "\n")
    sys.stderr.write(f"written to {OUTPUT}\n")
    return 0


def _line(row: dict[str, Any]) -> str:
    reference = row.get("reference")
    against = f"   reference {reference:,.6g}   ratio {row['ratio']:.2f}" if reference else ""
    return f"{row['name']:<36} {row['value']:>14,.6g} {row['unit']:<12}{against}"


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except ShopError as error:
        sys.stderr.write(f"bench: {error}\n")
        raise SystemExit(error.exit_code) from None
