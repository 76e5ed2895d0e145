"""Keep plans as files, one for each state of the project: recording one costs dbt's own time several times."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from shop_platform.refresh.plan.fingerprint import fingerprint
from shop_platform.refresh.plan.record import record
from shop_platform.refresh.plan.statements import Plan
from shop_platform.settings import Settings

_KEPT = 5


def plan_for(settings: Settings, folder: Path) -> Plan:
    """Return the plan for the warehouse of ``settings``: the one kept in ``folder``, or a new one, which is kept.

    Of several processes that want the same plan at once, one records it. Raises :class:`PlanError` when dbt cannot
    build on the warehouse.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = fingerprint(settings)
    path = folder / f"{wanted[:32]}.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (kept := _read(path)) is not None and kept.fingerprint == wanted:
            os.utime(path)
            return kept
        plan = record(settings)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(plan))
        fresh.replace(path)
        _forget(folder)
        return plan


def _read(path: Path) -> Plan | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _forget(folder: Path) -> None:
    """Remove all but the plans that were used last."""
    plans = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in plans[_KEPT:]:
        path.unlink(missing_ok=True)
