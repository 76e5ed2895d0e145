"""Is a run O(new rows)? The same new events on a warehouse of one million raw events and on one of twenty million.

The bigger warehouse has the same history again and again, each time further back and with its own customers, sessions
and orders. ``SHOP_BENCH_GROWTH=200000,1000000`` takes other sizes; the full build is measured at ten million, or at the
last.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Any

from psycopg import sql

from bench.stack import measuring_stack
from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.generator.history import run_history
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.dbt import run_dbt
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_COMMAND = "make bench ONLY=warehouse_growth"
_SIZES = "1000000,10000000,20000000"
_FULL_BUILD_AT = 10_000_000
_DAYS, _SEED = 90, 7
_NEW_EVENTS, _ROUNDS = 2_000, 5
_SLOWEST = 5
# The simulated shop's numbers (ord_1794870600006089); the catalogue's are short and stay: a shop does not grow by it.
_NUMBER = r"_(1\d{14,})"


def run() -> list[dict[str, Any]]:
    """Measure incremental runs of the hot path at each size, and one full build with every model's seconds."""
    sizes = [int(size) for size in (os.environ.get("SHOP_BENCH_GROWTH") or _SIZES).split(",")]
    rows, seconds, by_model_at = [], {}, {}
    with measuring_stack() as (settings, _):
        run_history(settings, days=_DAYS, orders_per_day=max(sizes[0] / _DAYS / 127, 1), seed=_SEED)
        ingest_until_end(settings)
        present = _events(settings)
        generation = 0
        for size in sizes:
            while present < 0.97 * size:
                generation += 1
                present += _repeat(settings, generation)
                _say(f"{present:,} raw events")
            _analyze(settings)
            started = time.monotonic()
            by_model = _build(settings, ["run", "--full-refresh"])
            wall = time.monotonic() - started
            _say(f"full build of {present:,}: {sum(by_model.values()):.0f} s of models, {wall:.0f} s by the clock")
            if size == _FULL_BUILD_AT or (size == sizes[-1] and _FULL_BUILD_AT not in sizes):
                rows.append(_full_build(present, wall, by_model, _scan_seconds(settings)))
            seconds[size], by_model_at[size] = _incremental(settings)
            _say(f"{_NEW_EVENTS} new events on {present:,}: {seconds[size]:.2f} s of models")
            _say_slowest(by_model_at[size])
    small, big = seconds[sizes[0]], seconds[sizes[-1]]
    rows.append(
        {
            "name": "warehouse.growth_ratio",
            "value": round(big / small, 3),
            "unit": "ratio",
            "reference": round(small, 3),
            "ratio": round(big / small, 3),
            "seconds": {str(size): round(value, 3) for size, value in seconds.items()},
            # Whoever grows is seen here: the models by what the last size adds to the first.
            "by_model": _side_by_side(by_model_at, sizes),
            "new_events": _NEW_EVENTS,
            "command": _COMMAND,
        }
    )
    return rows


def _incremental(settings: Settings) -> tuple[float, dict[str, float]]:
    """Return the median seconds of all hot models together, and of each, over some rounds; the first is not counted."""
    measured = []
    for number in range(_ROUNDS + 1):
        arrive(settings, number)
        measured.append(_build(settings, ["run", "--selector", "hot"]))
    counted = measured[1:]
    by_model = {name: statistics.median(each[name] for each in counted) for name in counted[0]}
    return statistics.median(sum(each.values()) for each in counted), by_model


def _side_by_side(by_model_at: dict[int, dict[str, float]], sizes: list[int]) -> dict[str, dict[str, float]]:
    """Return each model's seconds by size, those that grew most first."""
    small, big = by_model_at[sizes[0]], by_model_at[sizes[-1]]
    growing = sorted(big, key=lambda name: small[name] - big[name])
    return {name: {str(size): round(by_model_at[size][name], 3) for size in sizes} for name in growing}


def _build(settings: Settings, arguments: list[str]) -> dict[str, float]:
    """Run dbt; return the seconds of each table (views cost nothing that grows, dbt's start is not counted)."""
    target = settings.data_dir / "target"
    run_dbt(settings, arguments, target_path=target)
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {each["unique_id"].rpartition(".")[2]: float(each["execution_time"]) for each in results}


def _repeat(settings: Settings, generation: int) -> int:
    """Copy the first history with numbers of its own, ``generation`` histories earlier; return the rows written."""
    return sum(_copy(settings, topic.subject, f"_{generation}", f"{-generation * _DAYS} days") for topic in TOPICS)


def arrive(settings: Settings, number: int) -> None:
    """Let the newest events of web and orders happen once more, to others."""
    mark = f"_9{time.time_ns() // 1_000_000}{number}"
    for subject, limit in (("web", int(_NEW_EVENTS * 0.85)), ("orders", int(_NEW_EVENTS * 0.15))):
        if _copy(settings, subject, mark, "1 minute", limit) == 0:
            raise ShopError("There was nothing to copy", "The history is too short.", exit_code=1)


def _copy(settings: Settings, subject: str, mark: str, shift: str, newest: int | None = None) -> int:
    with connect(settings, Role.ADMIN) as admin:
        chosen = (
            sql.SQL("(select * from {} where {} order by event_time desc limit {})").format(
                sql.Identifier("raw", subject), sql.SQL("kafka_partition >= 0"), sql.Literal(newest)
            )
            if newest
            else sql.SQL("(select * from {} where kafka_partition >= 0)").format(sql.Identifier("raw", subject))
        )
        # Copies are marked by a partition below zero, so that only the first history is ever copied.
        done = admin.execute(
            sql.SQL(
                "insert into {} (event_id, event_type, source, subject, event_time, data, kafka_partition,"
                " kafka_offset) select gen_random_uuid(), event_type, source,"
                " regexp_replace(subject, {number}, {marked}), event_time + {shift}::interval,"
                " regexp_replace(data::text, {number}, {marked}, 'g')::jsonb, -1, 0"
                " from {} as original"
            ).format(
                sql.Identifier("raw", subject),
                chosen,
                number=sql.Literal(_NUMBER),
                marked=sql.Literal(mark + r"\1"),
                shift=sql.Literal(shift),
            )
        )
        return done.rowcount


def _events(settings: Settings) -> int:
    with connect(settings, Role.ADMIN) as admin:
        counts = [
            admin.execute(sql.SQL("select count(*) from {}").format(sql.Identifier("raw", topic.subject))).fetchone()
            for topic in TOPICS
        ]
    return sum(int(str(count[0])) for count in counts if count)


def _analyze(settings: Settings) -> None:
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        for topic in TOPICS:
            admin.execute(sql.SQL("vacuum analyze {}").format(sql.Identifier("raw", topic.subject)))


def _full_build(events: int, wall: float, by_model: dict[str, float], reference: float) -> dict[str, Any]:
    _say_slowest(by_model)
    return {
        "name": "warehouse.full_build_10m_seconds",
        "value": round(wall, 1),
        "unit": "s",
        "reference": round(reference, 2),
        "ratio": round(wall / reference, 2),
        "events": events,
        "by_model": {name: round(seconds, 2) for name, seconds in sorted(by_model.items(), key=lambda item: -item[1])},
        "command": _COMMAND,
    }


def _scan_seconds(settings: Settings) -> float:
    """Read every raw payload once: what no build can do without."""
    started = time.perf_counter()
    with connect(settings, Role.TRANSFORM) as connection:
        for topic in TOPICS:
            table = sql.Identifier("raw", topic.subject)
            connection.execute(sql.SQL("select sum(length(data::text)) from {}").format(table))
    return time.perf_counter() - started


def _say_slowest(by_model: dict[str, float]) -> None:
    for name, seconds in sorted(by_model.items(), key=lambda item: -item[1])[:_SLOWEST]:
        _say(f"{name:<32} {seconds:8.2f} s")


def _say(text: str) -> None:
    sys.stderr.write(f"  {text}\n")
