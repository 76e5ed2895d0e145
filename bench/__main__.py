"""Run the measurements and write ``build/bench.json``: ``python -m bench [--only PART]``."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bench.ending import everything_ends_with_it
from shop_platform.errors import ShopError

PARTS = ("generator", "ingest", "warehouse", "plan", "demo")
# Minutes and gigabytes, or Java and environments of their own: only when asked for by name.
LONG_PARTS = ("ingest_peers", "ingest_soak", "warehouse_growth", "freshness", "incidents")
# `--only ingest` measures the peers too, after the own figures.
_TOGETHER = {"ingest": ("ingest", "ingest_peers")}
OUTPUT = Path(__file__).resolve().parent.parent / "build" / "bench.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the chosen parts; a part's earlier figures are replaced, the others stay."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS + LONG_PARTS, help="one part instead of all")
    only = parser.parse_args(arguments).only
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


def run_as_command(arguments: Sequence[str] | None = None) -> NoReturn:
    """Measure, and end with an exit code; whatever was started has ended before."""
    try:
        with everything_ends_with_it():
            code = main(arguments)
    except ShopError as error:
        sys.stderr.write(f"bench: {error}\n")
        code = error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("bench: ended, and everything that it had started; figures of whole parts are kept\n")
        code = 130
    raise SystemExit(code)


if __name__ == "__main__":
    run_as_command()
