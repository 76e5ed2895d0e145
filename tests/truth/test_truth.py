"""The simulator's truth against the marts: what was produced, added up in plain Python, is what every KPI says."""

from __future__ import annotations

import datetime as dt
import random
import threading
from pathlib import Path

import pytest

from shop_platform.generator.history import run_history
from shop_platform.generator.parameters import FaultRates
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.erase import erase
from shop_platform.settings import Settings
from tests.chaos.dose import REPEAT, SEED, dose
from tests.conftest import Shop
from tests.dbt.project import DbtProject
from tests.truth.account import Event
from tests.truth.compare import differences
from tests.truth.kpis import KEYS
from tests.truth.topic import produced

# Several times what a real shop suffers. The histories end a fortnight after the clocks changed.
_ROUGH = FaultRates(duplicate=0.02, late=0.03, out_of_order=0.03, malformed=0.004, unknown_version=0.002)
_ENDS = ("2026-04-12T13:37:00+00:00", "2026-11-08T09:30:00+00:00")
_ZONES = ("Europe/Berlin", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
_DAYS, _ORDERS_PER_DAY = 30, dose(7.0, 30.0)
_SELECTION = ("run", "--select", *(f"+{mart}" for mart in KEYS), "dim_exchange_rates")


@pytest.mark.timeout(dose(600, 1800))
@pytest.mark.parametrize("number", range(dose(2, 8)))
def test_every_kpi_of_every_day_is_what_was_produced(shop: Shop, tmp_path: Path, number: int) -> None:
    rng = random.Random(f"truth/{SEED}/{number}")
    settings = shop.settings.model_copy(update={"shop_tz": _ZONES[number % len(_ZONES)]})
    dbt = DbtProject(settings, tmp_path / "target")

    _live(settings, rng, until=_ENDS[number % 2], share=rng.uniform(0.3, 0.9))
    ingest_until_end(settings)
    dbt.invoke(*_SELECTION)
    events = _prove(settings)

    # Somebody asks to be forgotten, the shop lives on; only what is new is built.
    erase(settings, rng.choice([event.data["customer_id"] for event in events if event.name == "order.placed"]), "gdpr")
    _live(settings, rng, until=_ENDS[number % 2])
    ingest_until_end(settings)
    dbt.invoke(*_SELECTION)
    assert len(_prove(settings)) > len(events)


def _live(settings: Settings, rng: random.Random, *, until: str, share: float = 2.0) -> None:
    """Let the shop live, up to a ``share`` of its messages; the next call goes on."""
    stop = threading.Event()
    run_history(
        settings,
        days=_DAYS,
        orders_per_day=_ORDERS_PER_DAY,
        seed=rng.randrange(2**31),
        until=dt.datetime.fromisoformat(until),
        faults=_ROUGH,
        stop=stop,
        progress=lambda done, total: stop.set() if done > share * total else None,
    )


def _prove(settings: Settings) -> list[Event]:
    events = produced(settings.kafka_bootstrap, settings.ledger_dir)
    found = differences(settings, events)
    assert not found, "\n".join([f"{len(found)} figures differ from what was produced; {REPEAT}", *found[:40]])
    return events
