"""What a run of the generator may do and what it leaves behind: permission, lock, manifest, names of runs."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shop_platform.errors import ShopError
from shop_platform.generator.parameters import FaultRates
from shop_platform.generator.stream import HistoryPlan
from shop_platform.settings import Settings

# Raise it when the same plan no longer gives the same bytes: an unfinished history of another model cannot be resumed.
MODEL = 2
MANIFEST = "history.json"


def require_permission(settings: Settings) -> None:
    """Raise :class:`ShopError` where simulated data is not allowed (prod)."""
    if not settings.allow_simulated_data:
        raise ShopError(
            f"Simulated data is not allowed in '{settings.env.value}'.",
            "SHOP_ALLOW_SIMULATED_DATA=false forbids it; use dev or staging.",
        )


def generator_dir(settings: Settings) -> Path:
    """Return the folder of the generator's own state, made if missing."""
    folder = settings.data_dir / "generator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the generator's lock; the system releases it even when the process is killed."""
    path = generator_dir(settings) / "lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ShopError(
                f"Another generator (process {file.read().strip() or '?'}) is working on {settings.data_dir}.",
                "Let it end or stop it; two at once would mix up their ledgers.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` such that a crash leaves the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def iso(ms: int) -> str:
    """Return epoch milliseconds as an ISO time in UTC."""
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z")


def write_manifest(settings: Settings, plan: HistoryPlan, *, completed: bool, **counts: Any) -> None:
    """Write ``history.json``: the plan, whether it is done, and what came of it."""
    document = {
        "model": MODEL,
        "seed": plan.seed,
        "days": plan.days,
        "orders_per_day": plan.orders_per_day,
        "start": iso(plan.start),
        "end": iso(plan.end),
        "shop_tz": plan.zone,
        "fault_rates": asdict(plan.faults),
        **counts,
        "completed": completed,
    }
    write_atomically(settings.ledger_dir / MANIFEST, (json.dumps(document, indent=2) + "\n").encode())


def read_manifest(settings: Settings) -> dict[str, Any] | None:
    """Return the manifest, or None before the first history. Raises :class:`ShopError` if it cannot be read."""
    path = settings.ledger_dir / MANIFEST
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ShopError(f"{path} cannot be read: {error}", "Restore it, or start anew with `shop reset`.") from error
    if not isinstance(document, dict) or not {"seed", "start", "end", "fault_rates", "completed"} <= document.keys():
        raise ShopError(f"{path} is not a history's manifest.", "Restore it, or start anew with `shop reset`.")
    return document


def plan_of(document: dict[str, Any]) -> HistoryPlan:
    """Return the plan that a manifest was written for."""
    start, end = (round(dt.datetime.fromisoformat(document[name]).timestamp() * 1000) for name in ("start", "end"))
    return HistoryPlan(
        document["seed"], document["days"], document["orders_per_day"], start, end, document["shop_tz"],
        FaultRates(**document["fault_rates"]),
    )  # fmt: skip
