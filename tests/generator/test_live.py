from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from shop_platform.errors import ShopError
from shop_platform.generator import producer
from shop_platform.generator.history import STATE, run_history
from shop_platform.generator.live import LiveReport, run_live
from shop_platform.generator.parameters import NO_FAULTS, FaultRates
from shop_platform.generator.runs import MANIFEST, generator_dir
from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.broker.process import start_broker_process
from shop_platform.local.ports import any_free
from shop_platform.settings import Settings, load
from tests.generator.audit import Auditor, in_event_time
from tests.generator.kafka import (
    child,
    high_watermarks,
    kafka_places,
    kill_when,
    ledger_faults,
    ledger_places,
    stored,
)


def _live(settings: Settings, seconds: float, rate: float = 200.0, faults: FaultRates = NO_FAULTS) -> LiveReport:
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    try:
        return run_live(settings, rate=rate, faults=faults, stop=stop)
    finally:
        timer.cancel()


def _history(settings: Settings) -> None:
    run_history(settings, days=3, orders_per_day=20.0, seed=8, faults=NO_FAULTS)


def _audit(settings: Settings) -> Auditor:
    """Kafka holds what the ledgers say, and everything in it together obeys the laws."""
    found = stored(settings)
    assert kafka_places(found) == ledger_places(settings)
    return Auditor().read(in_event_time(message.message() for message in found))


def test_live_mode_continues_the_history_s_shop_and_its_own(settings: Settings) -> None:
    _history(settings)
    customers = _audit(settings).count["customer.created"]
    before = sum(high_watermarks(settings).values())
    first = _live(settings, 3)
    second = _live(settings, 3)
    assert first.sent == first.acknowledged > 100
    assert sum(high_watermarks(settings).values()) == before + first.sent + second.sent
    audit = _audit(settings)
    assert audit.count["product.created"] <= 420
    assert audit.count["customer.created"] < customers + 100
    assert first.clock <= second.clock


def test_the_events_of_live_mode_happen_now_and_at_about_the_rate(settings: Settings) -> None:
    _live(settings, 1, rate=10)
    began = time.time()
    opened = sum(high_watermarks(settings).values())
    report = _live(settings, 6, rate=400)
    fresh = [m for m in stored(settings) if m.time_ms / 1000 > began - 0.5]
    assert sum(high_watermarks(settings).values()) - opened == report.sent
    assert all(message.time_ms / 1000 <= time.time() for message in fresh)
    # Orders follow their sessions later, so a short run stays below the rate; a busy machine may lag.
    assert 0.3 * 400 * 6 < len(fresh) < 1.4 * 400 * 8


def test_an_empty_platform_gets_a_new_shop(settings: Settings) -> None:
    _live(settings, 3)
    audit = _audit(settings)
    assert audit.count["product.created"] > 300
    assert audit.count["customer.created"] > 1000
    assert audit.count["web.session_started"] > 10


def test_a_lost_state_is_rebuilt_from_the_history(settings: Settings) -> None:
    _history(settings)
    (generator_dir(settings) / STATE).unlink()
    _live(settings, 2)
    _audit(settings)


_KILLED = """
from shop_platform.generator import ledger, live
from shop_platform.generator.parameters import FaultRates, NO_FAULTS
live._SNAPSHOT_SECONDS = {snapshot}
loop = live._Run.loop
def without_ledger(self, *arguments):
    # As if the process died between Kafka's acknowledgement and the ledger's write, for every message of the loop.
    ledger.Ledger.flush = lambda self: None
    return loop(self, *arguments)
if {blind}:
    live._Run.loop = without_ledger
live.run_live(settings, rate=600.0, faults={faults})
"""


@pytest.mark.parametrize("blind", [False, True], ids=["any moment", "nothing in the ledger"])
def test_a_killed_live_run_is_repeated_to_the_byte(settings: Settings, blind: bool) -> None:
    _history(settings)
    for snapshot, unseen in ((0.5, False), (60.0, blind)):
        at = sum(high_watermarks(settings).values()) + 900
        with child(settings, _KILLED.format(blind=unseen, snapshot=snapshot, faults="NO_FAULTS")) as process:
            kill_when(process, lambda wanted=at: sum(high_watermarks(settings).values()) > wanted)
    report = _live(settings, 2)
    audit = _audit(settings)
    assert report.recovered > 0 or not blind
    assert audit.count["web.session_started"] > 100
    assert len({place[3] for place in ledger_places(settings)}) == len(ledger_places(settings)), "nothing is sent twice"


def test_faults_of_a_killed_live_run_are_all_in_the_ledger_once(settings: Settings) -> None:
    faults = "FaultRates(0.05, 0.0, 0.05, 0.05, 0.02, duplicate_max_ms=300)"
    at = 2_500
    for _ in range(2):
        with child(settings, _KILLED.format(blind=False, snapshot=1.0, faults=faults)) as process:
            kill_when(process, lambda wanted=at: sum(high_watermarks(settings).values()) > wanted + 1_500)
        at = sum(high_watermarks(settings).values())
    _live(settings, 2)
    found = stored(settings)
    assert kafka_places(found) == ledger_places(settings)
    times = Counter(message.event_id for message in found)
    written = Counter((event_id, fault) for event_id, fault, _ in ledger_faults(settings))
    assert set(written.values()) == {1}
    assert {event for event, fault in written if fault == "duplicate"} == {event for event, n in times.items() if n > 1}
    spoilt = {event for event, fault in written if fault == "unknown_version"}
    assert spoilt == {message.event_id for message in found if b'.v99"' in message.value}


@pytest.mark.usefixtures("own_servers")
def test_a_broker_that_dies_ends_the_run_with_a_message_and_the_next_run_leaves_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "_DELIVERY_SECONDS", 3)
    monkeypatch.setattr(producer, "_LAST_SECONDS", 1)
    with start_broker_process(tmp_path / "broker", any_free()) as broker:
        settings = load(data_dir=tmp_path / "data", kafka_bootstrap=broker.bootstrap)
        ensure_topics(settings, retention_ms=-1)

        def kill_after_a_while(report: LiveReport) -> None:
            if report.acknowledged > 3_000 and broker.popen.poll() is None:
                broker.kill()

        with pytest.raises(ShopError, match="acknowledged"):
            run_live(settings, rate=300.0, faults=NO_FAULTS, report=kill_after_a_while)
    with start_broker_process(tmp_path / "broker", broker.port):
        _live(settings, 3)
        _audit(settings)


def test_live_mode_waits_for_an_unfinished_history(settings: Settings) -> None:
    stop = threading.Event()
    run_history(settings, days=3, seed=8, stop=stop, progress=lambda done, total: stop.set())
    with pytest.raises(ShopError, match="not finished"):
        run_live(settings)
    assert (settings.ledger_dir / MANIFEST).exists()


def test_simulated_data_is_refused_where_it_is_not_allowed(tmp_path: object) -> None:
    with pytest.raises(ShopError, match="not allowed"):
        run_live(load(data_dir=tmp_path, allow_simulated_data=False))


@pytest.mark.parametrize("rate", [0.0, -3.0, 1e9])
def test_rates_that_make_no_sense_are_refused(rate: float, tmp_path: object) -> None:
    with pytest.raises(ShopError, match="not possible"):
        run_live(load(data_dir=tmp_path), rate=rate)


def test_a_damaged_state_is_named(settings: Settings) -> None:
    (generator_dir(settings) / STATE).write_bytes(b"nonsense")
    with pytest.raises(ShopError, match=STATE):
        run_live(settings)


def test_parcels_of_the_history_arrive_while_live_mode_is_off(settings: Settings) -> None:
    until = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    run_history(settings, days=5, orders_per_day=40.0, seed=8, until=until, faults=NO_FAULTS)
    delivered = _audit(settings).count["order.delivered"]
    _live(settings, 1, rate=1)
    audit = _audit(settings)
    assert audit.count["order.delivered"] > delivered + 10
    gap = [m for m in stored(settings) if until.timestamp() + 7200 < m.time_ms / 1000 < time.time() - 60]
    assert {message.topic for message in gap} <= {"shop.orders", "shop.returns", "shop.inventory", "shop.customers",
                                                  "shop.marketing", "shop.products"}  # fmt: skip
