"""How long each file of tests takes: measured by every whole run, kept in the repository for who has run none.

`make durations` writes what the last whole run (`make test ALL=1`) measured into ``durations.json``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

FILE = Path(__file__).with_name("durations.json")
CACHE = Path(__file__).parents[2] / ".pytest_cache" / "durations.json"
# What nobody has measured is placed in the middle.
UNKNOWN = 10.0


def known() -> dict[str, float]:
    """Return the seconds of each file, of the last whole run here or else of the one that was committed."""
    for path in (CACHE, FILE):
        try:
            return {str(file): float(seconds) for file, seconds in json.loads(path.read_text()).items()}
        except (OSError, ValueError):
            continue
    return {}


def keep(measured: Mapping[str, float]) -> None:
    """Remember a whole run."""
    CACHE.parent.mkdir(exist_ok=True)
    fresh = CACHE.with_suffix(".new")
    fresh.write_text(json.dumps({file: round(measured[file], 1) for file in sorted(measured)}, indent=1) + "\n")
    fresh.replace(CACHE)


def part(told: str) -> tuple[int, int]:
    """Return the number of a part, from 1, and of how many; raise ``ValueError`` when ``told`` is not like 1/3."""
    found = re.fullmatch(r"(\d+)/(\d+)", told)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"SHARD is '{told}'; it names a part and how many there are: 1/3, 2/3 or 3/3.")
    return int(found[1]), int(found[2])


def shard(files: Iterable[str], number: int, of: int, seconds: Mapping[str, float]) -> set[str]:
    """Return the files of part ``number`` (from 1) of ``of``: the longest file goes to the part that has least.

    Every file is in one part, and the same ones everywhere.
    """
    parts: list[tuple[float, int, set[str]]] = [(0.0, part, set()) for part in range(of)]
    for file in sorted(set(files), key=lambda file: (-seconds.get(file, UNKNOWN), file)):
        total, part, mine = min(parts, key=lambda each: each[:2])
        mine.add(file)
        parts[part] = (total + seconds.get(file, UNKNOWN), part, mine)
    return parts[number - 1][2]


def main() -> int:
    """Copy the last whole run into the repository."""
    if not CACHE.exists():
        sys.stderr.write("No whole run has been measured here: run `make test ALL=1` first.\n")
        return 2
    FILE.write_text(CACHE.read_text())
    sys.stdout.write(f"{FILE.name}: {len(known())} files\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
