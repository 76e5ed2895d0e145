from __future__ import annotations

import subprocess
import sys
import uuid

import numpy as np
import pytest

from shop_platform.generator.ids import Numbers, iso_times, uuid7
from shop_platform.generator.message import Message
from shop_platform.generator.parameters import NO_FAULTS
from shop_platform.generator.stream import history_chunks
from tests.generator.conftest import UNTIL

_HASH = """
import datetime as dt, hashlib, sys
from shop_platform.generator.stream import history_chunks
digest = hashlib.sha256()
until = dt.datetime(2026, 11, 22, 15, 0, tzinfo=dt.UTC)
for chunk in history_chunks(days=6, orders_per_day=20, seed=int(sys.argv[1]), until=until):
    for message in chunk:
        digest.update(repr(tuple(message)).encode())
print(digest.hexdigest())
"""


def _hash_in_a_new_process(seed: int) -> str:
    return subprocess.run(
        [sys.executable, "-c", _HASH, str(seed)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "random"},
    ).stdout


def test_the_same_seed_gives_the_same_bytes_in_the_same_order_in_two_processes() -> None:
    assert _hash_in_a_new_process(7) == _hash_in_a_new_process(7)


def test_another_seed_gives_another_shop() -> None:
    first, second = (
        {m.event_id for c in history_chunks(days=1, orders_per_day=20, seed=seed, until=UNTIL) for m in c}
        for seed in (1, 2)
    )
    assert not first & second


def test_ids_are_uuids_of_version_7_that_carry_the_event_time(history: list[Message]) -> None:
    for message in history[::97]:
        identifier = uuid.UUID(message.event_id)
        assert identifier.version == 7
        assert identifier.variant == uuid.RFC_4122
        assert identifier.int >> 80 == message.time_ms


def test_ids_are_unique(history: list[Message]) -> None:
    assert len({message.event_id for message in history}) == len(history)


def test_ids_depend_on_time_number_and_seed_alone() -> None:
    time, number = np.array([1_790_000_000_000, 1_790_000_000_000]), np.array([1, 2])
    assert uuid7(time, number, 1).tolist() == uuid7(time, number, 1).tolist()
    assert len({*uuid7(time, number, 1).tolist(), *uuid7(time, number, 2).tolist()}) == 4


def test_numbers_of_different_windows_never_meet() -> None:
    first, second = Numbers(1_000, 1_010), Numbers(1_010, 1_020)
    assert first.take(10_000).max() < second.take(1).min()
    with pytest.raises(OverflowError):
        first.take(1)


def test_times_are_written_in_utc_with_six_decimals() -> None:
    times = np.array([0, 1_795_429_199_999, 951_782_400_000])
    assert iso_times(times).tolist() == [
        b"1970-01-01T00:00:00.000000Z",
        b"2026-11-23T10:19:59.999000Z",
        b"2000-02-29T00:00:00.000000Z",
    ]


def test_the_opening_time_of_a_history_is_local_midnight(history: list[Message]) -> None:
    # 40 days before the 22nd of November, Berlin is still in summer time.
    assert min(message.event_time for message in history) >= "2026-10-12T22:00:00"
    assert max(message.event_time for message in history) < "2026-11-22T15:00:00"
    quiet = history_chunks(days=1, orders_per_day=5, seed=1, until=UNTIL, faults=NO_FAULTS)
    assert next(iter(quiet))[0].event_time.startswith("2026-11-20T23:0")
