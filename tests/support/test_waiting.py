"""A wait ends when its condition holds, and else says what was waited for."""

from __future__ import annotations

import pytest

from tests.support.waiting import WaitedInVainError, eventually


def test_a_wait_in_vain_names_its_condition_and_what_it_returned_last():
    with pytest.raises(
        WaitedInVainError, match=r"(?s)waited \d+ s in vain for: .*lambda: \[\]\[:7\].*which returned \[\]"
    ):
        eventually(lambda: [][:7], still_seconds=0.1)
    with pytest.raises(WaitedInVainError, match="in vain for: rain"):
        eventually(lambda: None, "rain", still_seconds=0)


def test_what_changes_is_waited_for():
    answers = iter(["", 0, None, [], (), 1])
    eventually(lambda: next(answers), still_seconds=0.001)
    assert list(answers) == []


def test_the_end_of_a_test_by_its_timeout_says_what_was_waited_for():
    answers = iter([0])

    def ends():
        for answer in answers:
            return answer
        pytest.fail("Timeout (>1200.0s) from pytest-timeout.")

    with pytest.raises(WaitedInVainError, match=r"(?s)in vain for: the queue.*returned 0.*Timeout \(>1200.0s\)"):
        eventually(ends, "the queue")


def test_a_condition_may_fail_by_itself():
    with pytest.raises(pytest.fail.Exception, match="ended with 3"):
        eventually(lambda: pytest.fail("the demo ended with 3"))
