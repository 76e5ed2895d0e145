"""An hour's outage at 5,000 events a second: how long the ingestion takes to catch up, is its memory flat meanwhile?

``SHOP_BENCH_SOAK_EVENTS`` shrinks the backlog (18 million events) for a trial.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import uuid_utils
from confluent_kafka import Producer

from bench.service import running_service, tree_memory_bytes
from bench.stack import measuring_stack
from shop_platform.errors import ShopError
from shop_platform.generator.stream import history_chunks
from shop_platform.ingest.lag import end_offsets, stored_offsets
from shop_platform.settings import Role, Settings, load
from shop_platform.warehouse.connect import connect

_COMMAND = "make bench ONLY=ingest_soak"
_LIVE_PER_SECOND = 5_000
_OUTAGE_SECONDS = 3_600
_PROCESSES = 2
_TEMPLATES = 40_000
_SAMPLE_SECONDS = 2.0
_LIMIT_SECONDS = 3_600
_WEB = "shop.web"


def run() -> list[dict[str, Any]]:
    """Fill the topic, start two processes, keep 5,000 events a second coming, stop when nothing is left to catch up."""
    backlog = int(os.environ.get("SHOP_BENCH_SOAK_EVENTS", _LIVE_PER_SECOND * _OUTAGE_SECONDS))
    with measuring_stack() as (settings, _):
        _produce(settings, backlog)
        with (
            subprocess.Popen(
                [sys.executable, "-m", "bench.ingest_soak"], env=os.environ | settings.process_environment()
            ) as live,
            connect(settings, Role.ADMIN, autocommit=True) as admin,
            running_service(settings, _PROCESSES) as service,
        ):
            try:
                started, memory = time.monotonic(), []
                while (behind := _behind(settings, admin)) > _LIVE_PER_SECOND:
                    if service.poll() is not None or time.monotonic() - started > _LIMIT_SECONDS:
                        raise ShopError(f"The ingestion did not catch up; {behind} messages are left", "See above.")
                    memory.append((time.monotonic() - started, tree_memory_bytes(service.pid), behind))
                    sys.stderr.write(f"  {behind:>11,} to go, {memory[-1][1] / 1e6:,.0f} MB\n")
                    time.sleep(_SAMPLE_SECONDS)
                seconds = time.monotonic() - started
            finally:
                live.terminate()
            (landed,) = admin.execute("select sum(landed)::bigint from ops.ingest_batches").fetchone() or (0,)
    return _rows(backlog, int(str(landed)), seconds, memory)


def _rows(backlog: int, landed: int, seconds: float, memory: list[tuple[float, int, int]]) -> list[dict[str, Any]]:
    # The first tenth fills buffers; flat means that the rest does not leave what stands then.
    steady = [size for _, size, behind in memory if behind < 0.9 * backlog] or [size for _, size, _ in memory]
    first = statistics.median(steady[: max(len(steady) // 5, 1)])
    last = statistics.median(steady[-max(len(steady) // 5, 1) :])
    common = {"command": _COMMAND, "events": landed}
    return [
        {
            "name": "ingest.catch_up_seconds",
            "value": round(seconds, 1),
            "unit": "s",
            "reference": float(_OUTAGE_SECONDS),
            "ratio": round(seconds / _OUTAGE_SECONDS, 3),
            "rows_per_second": round(landed / seconds),
            **common,
        },
        {
            "name": "ingest.memory_growth",
            "value": round(last / first, 3),
            "unit": "ratio",
            "reference": 1.0,
            "ratio": round(last / first, 3),
            "first_mb": round(first / 1e6),
            "peak_mb": round(max(steady) / 1e6),
            **common,
        },
    ]


def _behind(settings: Settings, admin: Any) -> int:
    stored = stored_offsets(admin)
    return sum(high - stored.get(place, low) for place, (low, high) in end_offsets(settings).items())


class _Templates:
    """Web events of the simulated shop, cut where the ids of event and session stand, to be made anew without end."""

    def __init__(self) -> None:
        until = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
        messages = (
            message
            for chunk in history_chunks(days=30, orders_per_day=60, until=until, seed=5)
            for message in chunk
            if message.topic == _WEB and not message.fault
        )
        self._cut = []
        for message in itertools.islice(messages, _TEMPLATES):
            before, after = message.value.split(message.event_id.encode(), 1)
            self._cut.append((before, after.split(message.key), message.key))
        self._round = 0

    def events(self, count: int) -> Any:
        """Yield ``count`` pairs of key and value."""
        for number in range(count):
            index = number % len(self._cut)
            self._round += index == 0
            before, parts, key = self._cut[index]
            session = b"%b_%d" % (key, self._round)
            yield session, b"%b%b%b" % (before, str(uuid_utils.uuid7()).encode(), session.join(parts))


def _produce(settings: Settings, count: int, per_second: float = 0.0) -> None:
    producer = Producer(
        settings.kafka_client(
            linger_ms=20, acks="all", enable_idempotence=True, compression_type="lz4", log_level=0,
            queue_buffering_max_messages=200_000,
        )
    )  # fmt: skip
    started = time.monotonic()
    for number, (key, value) in enumerate(_Templates().events(count)):
        while True:
            try:
                producer.produce(_WEB, value, key=key)
                break
            except BufferError:
                producer.poll(0.05)
        if number % 100 == 0:
            producer.poll(0)
            if per_second:
                time.sleep(max(number / per_second - (time.monotonic() - started), 0))
        if number and number % 2_000_000 == 0:
            sys.stderr.write(f"  {number:>11,} produced\n")
    producer.flush(60)


if __name__ == "__main__":
    _produce(load(), 10**9, float(_LIVE_PER_SECOND))
