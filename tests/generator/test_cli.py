from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from shop_platform.settings import Settings
from tests.generator.kafka import high_watermarks, kafka_places, ledger_places, stored


def _command(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    return subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "generate", *arguments],
        env=environment | settings.process_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _run(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    with _command(settings, *arguments) as process:
        out, error = process.communicate(timeout=120)
    return process.returncode, out, error


def test_history_tells_what_it_did_and_that_it_was_done(settings: Settings) -> None:
    arguments = ("history", "--days", "2", "--orders-per-day", "10", "--until", "2026-11-20T10:00:00Z")
    code, out, _ = _run(settings, *arguments)
    assert code == 0 and "is in Kafka" in out
    code, out, _ = _run(settings, *arguments)
    assert code == 0 and "was there already" in out
    assert kafka_places(stored(settings)) == ledger_places(settings)


def test_progress_as_json_ends_with_the_report(settings: Settings) -> None:
    code, out, _ = _run(settings, "history", "--days", "3", "--progress-json", "--no-faults")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[-1]["completed"] and lines[-1]["faults"] == {}
    assert all(line["done"] <= line["total"] for line in lines[:-1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_live_mode_ends_cleanly_on_a_signal(settings: Settings, number: int) -> None:
    with _command(settings, "live", "--rate", "100") as process:
        while sum(high_watermarks(settings).values()) < 3_000:
            assert process.poll() is None
        process.send_signal(number)
        out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert "Stopped at" in out
    assert kafka_places(stored(settings)) == ledger_places(settings)
    assert (settings.data_dir / "generator" / "windows.jsonl").read_bytes() == b""


@pytest.mark.parametrize("mode", ["history", "live"])
def test_a_mistake_ends_in_a_sentence(mode: str, settings: Settings) -> None:
    refused = settings.model_copy(update={"allow_simulated_data": False})
    code, _, error = _run(refused, mode)
    assert code == 2 and "not allowed" in error and "Traceback" not in error


def test_a_time_that_is_none_is_named(settings: Settings) -> None:
    code, _, error = _run(settings, "history", "--until", "yesterday")
    assert code == 2 and "'yesterday' is not a time" in error
