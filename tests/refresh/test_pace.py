"""The refresher's pace: never all of the time, less often when it is dear or the machine is busy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shop_platform.refresh.pace import Quarantine, check_pause_seconds, pause_seconds, with_descendants

seconds = st.floats(0, 600)


@given(seconds, st.floats(0, 50))
def test_others_get_at_the_lock_after_every_build(build, load):
    assert 0.3 <= pause_seconds(build, load) <= 30


@given(seconds, seconds, st.floats(0, 50), st.floats(0, 50))
def test_a_dearer_build_or_a_busier_machine_never_makes_it_faster(build, more, load, higher):
    assert pause_seconds(build + more, load + higher) >= pause_seconds(build, load)


def test_a_busy_machine_is_given_more_than_half_of_the_time():
    assert pause_seconds(4, 3.0) > 4 > pause_seconds(4, 0.5)


@given(seconds, st.floats(1, 600))
def test_tests_take_a_tenth_of_the_time_at_most(took, least):
    pause = check_pause_seconds(took, least)
    assert pause >= least and took <= 0.11 * pause + 1e-9


def test_a_failing_model_is_tried_again_ever_less_often_and_at_once_after_a_success():
    quarantine, now, rests = Quarantine(), 0.0, []
    for _ in range(9):
        quarantine.failed("fct", now)
        until = next(at for at in (now + rest for rest in (5, 10, 20, 40, 80, 160, 300)) if not quarantine.resting(at))
        assert quarantine.resting(until - 0.1) == {"fct"}
        rests.append(until - now)
        now = until
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    quarantine.succeeded("fct")
    quarantine.failed("fct", now)
    assert quarantine.resting(now + 4.9) == {"fct"} and not quarantine.resting(now + 5)


def test_what_reads_a_failing_model_rests_with_it_and_nothing_else():
    children = {"stg": ["fct_a", "fct_b"], "fct_a": ["view"], "view": ["kpi", "view"], "kpi": []}
    assert with_descendants({"fct_a"}, children) == {"fct_a", "view", "kpi"}
    assert with_descendants(set(), children) == set()
