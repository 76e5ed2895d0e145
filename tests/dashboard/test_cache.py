"""Results are computed once per data version, and never outlive it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.data.cache import VersionedCache


def test_a_result_is_computed_once_however_many_ask_at_the_same_time():
    calls = []
    gate = threading.Barrier(4)
    cache = VersionedCache(lambda: "1", recheck_seconds=60)

    def ask(_: int) -> int:
        gate.wait()
        return cache.get("key", lambda: calls.append(1) or 42)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [42] * 4
    assert len(calls) == 1


def test_a_new_version_forgets_everything():
    versions = iter(["1", "2"])
    cache = VersionedCache(lambda: next(versions), recheck_seconds=0)
    assert cache.get("key", lambda: "old") == "old"
    assert cache.get("key", lambda: "new") == "new"


def test_within_the_recheck_time_the_version_is_asked_once():
    asked = []
    cache = VersionedCache(lambda: asked.append(1) or "1", recheck_seconds=60)
    for _ in range(5):
        cache.get("key", lambda: 1)
    assert len(asked) == 1


def test_an_error_is_not_remembered():
    cache = VersionedCache(lambda: "1", recheck_seconds=60)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 / 0)
    assert cache.get("key", lambda: 7) == 7


def test_during_an_outage_nobody_gets_a_remembered_answer():
    answers: list[object] = ["1", ConnectionError("gone")]

    def version() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    cache = VersionedCache(version, recheck_seconds=0)
    cache.get("key", lambda: 1)
    with pytest.raises(ConnectionError):
        cache.get("key", lambda: 1)


def test_the_cache_stays_small():
    cache = VersionedCache(lambda: "1", recheck_seconds=60, size=3)
    for key in range(10):
        cache.get(key, lambda key=key: key)
    computed = []
    assert cache.get(9, lambda: computed.append(1)) == 9
    cache.get(0, lambda: computed.append(1))
    assert computed == [1]
