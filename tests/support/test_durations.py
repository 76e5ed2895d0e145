"""Shards are cut by how long files take: every file is in one, the longest are apart, unknown ones have a place."""

from __future__ import annotations

import json

import pytest

from tests.support import durations
from tests.support.lanes import FIXTURES, MEANING
from tests.support.suites import SUITES

SECONDS = {"a": 100.0, "b": 60.0, "c": 50.0, "d": 1.0}


def test_every_file_is_in_one_shard_and_the_longest_are_apart():
    parts = [durations.shard([*SECONDS, "new"], number, 2, SECONDS) for number in (1, 2)]
    assert parts == [{"a", "d", "new"}, {"b", "c"}]
    assert durations.shard(SECONDS, 1, 1, SECONDS) == set(SECONDS)


def test_a_part_is_one_of_how_many():
    assert durations.part("1/1") == (1, 1) and durations.part("3/3") == (3, 3)


@pytest.mark.parametrize("told", ["0/3", "4/3", "1/0", "-1/3", "x", "1", "1/3/5", ""])
def test_what_is_no_part_is_told_with_an_example(told):
    with pytest.raises(ValueError, match=f"SHARD is '{told}'.*1/3, 2/3 or 3/3"):
        durations.part(told)


def test_the_last_run_counts_before_what_is_committed(monkeypatch, tmp_path):
    monkeypatch.setattr(durations, "CACHE", tmp_path / "cache" / "durations.json")
    monkeypatch.setattr(durations, "FILE", tmp_path / "durations.json")
    assert durations.known() == {}
    assert durations.main() == 2
    durations.FILE.write_text(json.dumps({"old": 1}))
    assert durations.known() == {"old": 1.0}
    durations.keep({"new": 2.34})
    assert durations.known() == {"new": 2.3}
    assert durations.main() == 0 and json.loads(durations.FILE.read_text()) == {"new": 2.3}


def test_each_lane_has_a_meaning_and_each_suite_a_lane():
    assert {*FIXTURES, "fast"} == MEANING.keys() and SUITES.keys() <= FIXTURES.keys()
