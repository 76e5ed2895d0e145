"""A build by a plan against the same build by a warm dbt: the hot marts, and everything, after a few new events."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.stack import measuring_stack
from bench.warehouse_growth import arrive
from shop_platform.errors import ShopError
from shop_platform.generator.history import run_history
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.refresh.in_process import InProcessDbt, result_of
from shop_platform.refresh.plan.execute import PlanRunner
from shop_platform.refresh.plan.record import record
from shop_platform.refresh.warm import WarmDbt
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_COMMAND = "make bench ONLY=plan"
_COPY = "planned__"
_ROUNDS = 7


def run() -> list[dict[str, Any]]:
    """Measure over about 350,000 events; each round lands 2,000 new ones, and both builders build them."""
    with measuring_stack() as (settings, _):
        run_history(settings, days=90, seed=7)
        ingest_until_end(settings)
        began = time.perf_counter()
        plan = record(settings, with_tests=False)
        _say(f"recording the plan took {time.perf_counter() - began:.1f} s")
        dbt = InProcessDbt(settings, settings.data_dir / "target")
        dbt.parse()
        hot = set(WarmDbt(settings).ready().models)
        with connect(settings, Role.TRANSFORM, autocommit=True) as connection:
            runner = PlanRunner(plan, connection, prefix=_COPY)

            def by_dbt(*select: str) -> None:
                result_of(dbt.invoke("run", *select), "build")

            def by_plan(names: set[str] | None) -> None:
                if failed := [done.name for done in runner.run(names) if not done.succeeded]:
                    raise ShopError(f"The plan did not build {failed}", "Run `make test ARGS=tests/refresh/plan`.")

            by_dbt()
            by_plan(None)
            measured = {
                "hot": _pairs(settings, lambda: by_dbt("--select", *sorted(hot)), lambda: by_plan(hot)),
                "all": _pairs(settings, by_dbt, lambda: by_plan(None)),
            }
    return [_row(name, *seconds) for name, seconds in measured.items()]


def _pairs(settings: Settings, dbt: Callable[[], None], plan: Callable[[], None]) -> tuple[float, float]:
    """Return the median seconds of plan and dbt; they take turns in being first, and a first round is left out."""
    seconds: dict[str, list[float]] = {"plan": [], "dbt": []}
    for number in range(_ROUNDS + 1):
        arrive(settings, number)
        turns = [("plan", plan), ("dbt", dbt)]
        for name, build in turns if number % 2 else reversed(turns):
            began = time.perf_counter()
            build()
            if number:
                seconds[name].append(time.perf_counter() - began)
    return statistics.median(seconds["plan"]), statistics.median(seconds["dbt"])


def _row(name: str, plan: float, dbt: float) -> dict[str, Any]:
    return {
        "name": f"plan.build_seconds_{name}",
        "value": round(plan, 3),
        "unit": "s",
        "reference": round(dbt, 3),
        "ratio": round(plan / dbt, 3),
        "command": _COMMAND,
    }


def _say(text: str) -> None:
    sys.stderr.write(f"  {text}\n")
