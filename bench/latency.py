"""Produce to committed: how long an event takes from the producer's hand to a committed row, at three rates."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import uuid_utils
from confluent_kafka import Producer

from bench.service import running_service
from bench.stack import measuring_stack
from shop_platform.errors import ShopError
from shop_platform.generator.runs import iso
from shop_platform.ingest.lag import services_alive
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_COMMAND = "make bench ONLY=ingest"
_RATES = (1_000, 5_000, 20_000)
_SECONDS = 12
# A new producer needs half a second to connect and to get its id; that is not the ingestion's.
_WARM_SECONDS = 2
_AIM_MS = 100.0
_TICK_SECONDS = 0.005


def run() -> list[dict[str, Any]]:
    """Measure p50, p95 and p99 in milliseconds at 1,000, 5,000 and 20,000 events a second (producer linger 10 ms)."""
    rows = []
    with measuring_stack() as (settings, _), running_service(settings) as service:
        deadline = time.monotonic() + 60
        while not services_alive(settings):
            if service.poll() is not None or time.monotonic() > deadline:
                raise ShopError("The ingest service did not start", "Its output is above.")
            time.sleep(0.2)
        for rate in _RATES:
            p50, p95, p99, seen = _at(settings, rate)
            sys.stderr.write(f"  {rate:>6} events/s: p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms ({seen} events)\n")
            rows.append(
                {
                    "name": f"ingest.latency_p99_ms_{rate // 1000}k",
                    "value": round(p99, 1),
                    "unit": "ms",
                    "reference": _AIM_MS,
                    "ratio": round(p99 / _AIM_MS, 2),
                    "p50_ms": round(p50, 1),
                    "p95_ms": round(p95, 1),
                    "events": seen,
                    "command": _COMMAND,
                }
            )
    return rows


def _at(settings: Settings, rate: int) -> tuple[float, float, float, int]:
    """Send at ``rate``; when a batch was committed stands in its ledger line, when an event was sent in its data."""
    before = _batches(settings)
    sender = threading.Thread(target=_send, args=(settings, rate))
    sender.start()
    sender.join()
    wanted, deadline = rate * _SECONDS, time.monotonic() + 60
    while _landed(settings, before) < wanted:
        if time.monotonic() > deadline:
            raise ShopError(f"Not all events of the measurement at {rate}/s arrived", "Its output is above.")
        time.sleep(0.2)
    with connect(settings, Role.ADMIN) as admin:
        row = admin.execute(
            """
            with sent as (
                select e.kafka_partition, e.kafka_offset, (e.data ->> 'sent_at')::float8 as sent_at
                from raw.web as e
            ),
            delays as (
                select extract(epoch from b.committed_at)::float8 - s.sent_at as delay
                from ops.ingest_batches as b
                inner join sent as s
                    on b.partition = s.kafka_partition
                    and s.kafka_offset >= b.first_offset and s.kafka_offset < b.next_offset
                where b.topic = 'shop.web' and b.batch_id > %s and s.sent_at > (select min(sent_at) from sent) + %s
            )
            select
                percentile_cont(array[0.5, 0.95, 0.99]) within group (order by delay) as quantiles,
                count(*)
            from delays
            """,
            [before, _WARM_SECONDS],
        ).fetchone()
        assert row is not None
        quantiles, seen = row
        admin.execute("truncate raw.web")
    p50, p95, p99 = (float(value) * 1000 for value in list(quantiles))  # type: ignore[call-overload]
    return p50, p95, p99, int(str(seen))


def _batches(settings: Settings) -> int:
    with connect(settings, Role.ADMIN) as admin:
        row = admin.execute("select coalesce(max(batch_id), 0) from ops.ingest_batches").fetchone()
    return int(str(row[0])) if row else 0


def _landed(settings: Settings, after: int) -> int:
    with connect(settings, Role.ADMIN) as admin:
        row = admin.execute(
            "select coalesce(sum(landed), 0) from ops.ingest_batches where batch_id > %s", [after]
        ).fetchone()
    return int(str(row[0])) if row else 0


def _send(settings: Settings, rate: int) -> None:
    producer = Producer(
        settings.kafka_client(linger_ms=10, acks="all", enable_idempotence=True, compression_type="lz4", log_level=0)
    )
    started, sent = time.time(), 0
    sessions = [f"ses_{number}" for number in range(500)]
    time_text = iso(int(started * 1000))
    while sent < rate * _SECONDS:
        due = min(int((time.time() - started) * rate), rate * _SECONDS)
        while sent < due:
            session = sessions[sent % 500]
            value = (
                f'{{"specversion":"1.0","id":"{uuid_utils.uuid7()}","source":"/shop/web","type":"shop.web.page_viewed.v1",'
                f'"time":"{time_text}","subject":"{session}","datacontenttype":"application/json","data":{{"session_id":'
                f'"{session}","visitor_id":"vis_{sent % 97}","page":"/sale","page_type":"category",'
                f'"sent_at":{time.time():.6f}}}}}'
            )
            producer.produce("shop.web", value.encode(), key=session)
            sent += 1
        producer.poll(0)
        time.sleep(_TICK_SECONDS)
    producer.flush(30)
