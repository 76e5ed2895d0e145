from __future__ import annotations

import datetime as dt
import json
import os
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from shop_platform.errors import ShopError
from shop_platform.generator.history import run_history
from shop_platform.generator.parameters import FaultRates
from shop_platform.generator.stream import HistoryPlan, HistoryStream
from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.broker.process import BrokerProcess, start_broker_process
from shop_platform.local.ports import any_free
from shop_platform.settings import Settings, load
from tests.generator.conftest import UNTIL
from tests.generator.kafka import child, high_watermarks, kafka_places, kill_when, ledger_faults, ledger_places, stored

SMALL = {"days": 4, "orders_per_day": 25.0, "seed": 3, "until": UNTIL}
FAULTS = FaultRates(0.01, 0.01, 0.02, 0.005, 0.002)


def _planned(settings: Settings, faults: FaultRates = FAULTS) -> Counter[tuple[str, str, bytes]]:
    plan = HistoryPlan.make(seed=3, days=4, orders_per_day=25.0, until=UNTIL, zone=settings.shop_tz, faults=faults)
    return Counter((m.topic, m.event_id, m.value) for window in HistoryStream(plan) for m in window)


def _assert_whole(settings: Settings) -> None:
    """Kafka holds exactly what was planned, and the ledgers say exactly what Kafka holds."""
    found = stored(settings)
    assert Counter((m.topic, m.event_id, m.value) for m in found) == _planned(settings)
    assert kafka_places(found) == ledger_places(settings)
    planned_faults = Counter(
        (m.event_id, m.fault, m.detail)
        for window in HistoryStream(
            HistoryPlan.make(seed=3, days=4, orders_per_day=25.0, until=UNTIL, zone=settings.shop_tz, faults=FAULTS)
        )
        for m in window
        if m.fault
    )
    assert Counter(ledger_faults(settings)) == planned_faults


def test_a_history_lands_in_kafka_and_its_ledgers_say_what_is_there(settings: Settings) -> None:
    seen: list[tuple[int, int]] = []
    report = run_history(settings, **SMALL, faults=FAULTS, progress=lambda done, total: seen.append((done, total)))
    _assert_whole(settings)
    assert report.completed and not report.resumed
    assert report.sent_now == report.messages == sum(high_watermarks(settings).values())
    assert report.events == len({place[3] for place in ledger_places(settings)})
    assert seen[-1] == (report.messages, report.messages)
    assert all(done <= total for done, total in seen)
    manifest = json.loads((settings.ledger_dir / "history.json").read_text())
    assert manifest["completed"] and manifest["events"] == report.events and manifest["seed"] == 3


def test_a_finished_history_is_kept_whatever_is_asked_for(settings: Settings) -> None:
    first = run_history(settings, **SMALL, faults=FAULTS)
    again = run_history(settings, **SMALL, faults=FAULTS)
    assert again.already_done and again.note == "" and again.events == first.events and again.sent_now == 0
    other = run_history(settings, **(SMALL | {"days": 9, "seed": 4}), faults=FAULTS)
    assert other.already_done and "kept" in other.note and "days" in other.note and "seed" in other.note
    assert sum(high_watermarks(settings).values()) == first.messages


def test_a_stopped_history_goes_on_with_its_own_parameters(settings: Settings) -> None:
    stop = threading.Event()
    part = run_history(settings, **SMALL, faults=FAULTS, stop=stop, progress=lambda done, _: done > 3000 and stop.set())
    assert not part.completed
    assert 0 < len(ledger_places(settings)) < sum(_planned(settings).values())
    rest = run_history(settings, **(SMALL | {"seed": 99}))
    assert rest.completed and rest.resumed and "seed" in rest.note
    assert rest.sent_now + part.sent_now == rest.messages
    _assert_whole(settings)


_KILLED = """
import datetime as dt
from shop_platform.generator import history, ledger
from shop_platform.generator.parameters import FaultRates
if {blind}:
    # As if the process died between Kafka's acknowledgement and the ledger's write, for every message.
    ledger.Ledger.flush = lambda self: None
    ledger.Ledger.size = lambda self: 0
until = dt.datetime(2026, 11, 22, 15, 0, tzinfo=dt.UTC)
def slowly(done, total):
    import time; time.sleep(0.15)
history._PROGRESS_EVERY = 500
history.run_history(settings, days=4, orders_per_day=25.0, seed=3, until=until, progress=slowly,
                    faults=FaultRates(0.01, 0.01, 0.02, 0.005, 0.002))
"""


@pytest.mark.parametrize("blind", [False, True], ids=["any moment", "nothing in the ledger"])
def test_a_killed_history_is_completed_without_loss_or_repetition(settings: Settings, blind: bool) -> None:
    for reached, unseen in ((2_000, blind), (6_000, False)):
        with child(settings, _KILLED.format(blind=unseen)) as process:
            kill_when(process, lambda wanted=reached: sum(high_watermarks(settings).values()) > wanted)
    before = sum(high_watermarks(settings).values())
    report = run_history(settings, **SMALL, faults=FAULTS)
    assert report.completed and report.resumed
    assert report.sent_now == report.messages - before
    _assert_whole(settings)


def test_a_line_that_was_cut_by_a_crash_is_mended(settings: Settings) -> None:
    stop = threading.Event()
    run_history(settings, **SMALL, faults=FAULTS, stop=stop, progress=lambda done, _: stop.set())
    path = settings.ledger_dir / "produced" / "history-000001.tsv"
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    run_history(settings, **SMALL, faults=FAULTS)
    _assert_whole(settings)


def test_another_generator_on_the_same_data_is_refused(settings: Settings) -> None:
    code = "from shop_platform.generator.runs import only_one\nimport time\nwith only_one(settings): time.sleep(60)\n"
    with child(settings, code) as process:
        lock = settings.data_dir / "generator" / "lock"
        kill_later = threading.Event()
        while not (lock.exists() and lock.read_text()):
            assert process.poll() is None
            kill_later.wait(0.05)
        with pytest.raises(ShopError, match=f"process {process.pid}"):
            run_history(settings, **SMALL)
    assert run_history(settings, **(SMALL | {"days": 1})).completed


def test_a_broker_that_is_away_is_named(tmp_path: Path, own_servers: None) -> None:
    with start_broker_process(tmp_path / "broker", any_free()) as broker:
        settings = load(data_dir=tmp_path / "data", kafka_bootstrap=broker.bootstrap)
        ensure_topics(settings)
    with pytest.raises(ShopError, match="does not answer"):
        run_history(settings, **SMALL)


def test_missing_topics_are_named(broker: BrokerProcess, tmp_path: os.PathLike[str]) -> None:
    bare = load(data_dir=tmp_path, kafka_bootstrap=broker.bootstrap)
    with pytest.raises(ShopError, match=r"shop\.web"):
        run_history(bare, **SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": 0}, "0 days"),
        ({"orders_per_day": -1.0}, "not possible"),
        ({"seed": -1}, "seed"),
        ({"until": dt.datetime.now(dt.UTC) + dt.timedelta(days=2)}, "future"),
        ({"until": dt.datetime(2026, 1, 1)}, "time zone"),
        ({"until": dt.datetime(1999, 1, 1, tzinfo=dt.UTC)}, "1999"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(change: dict[str, object], message: str, tmp_path: object) -> None:
    settings = load(data_dir=tmp_path)
    with pytest.raises(ShopError, match=message):
        run_history(settings, **(SMALL | change))
    assert not (settings.ledger_dir / "history.json").exists()


def test_simulated_data_is_refused_where_it_is_not_allowed(tmp_path: object) -> None:
    with pytest.raises(ShopError, match="not allowed"):
        run_history(load(data_dir=tmp_path, allow_simulated_data=False), **SMALL)


def test_a_damaged_manifest_is_named(settings: Settings) -> None:
    settings.ledger_dir.mkdir(parents=True)
    (settings.ledger_dir / "history.json").write_text("{")
    with pytest.raises(ShopError, match=r"history\.json"):
        run_history(settings, **SMALL)


def test_a_plan_differs_by_its_faults() -> None:
    plan = HistoryPlan.make(seed=1, days=1, orders_per_day=1.0, until=UNTIL, zone="Europe/Berlin")
    assert replace(plan, faults=FAULTS) != plan
