"""Who may build, and what becomes of a build whose right to do so has ended."""

from __future__ import annotations

import threading

import pytest

from shop_platform.warehouse.locks import LockBusyError, LockLostError, transform_lock
from tests.support.locks import end_the_builder_s_session


def test_what_is_built_under_a_lock_that_is_lost_is_ended_and_told(warehouse):
    told_to_end = threading.Event()
    with (
        transform_lock(warehouse.settings) as lock,
        pytest.raises(LockLostError, match="ended the session that held the right to build"),
        lock.guarding(told_to_end.set),
    ):
        assert not lock.lost
        end_the_builder_s_session(warehouse.settings)
        told_to_end.wait()
        raise RuntimeError("what a dbt says that was terminated")


def test_a_loss_that_nobody_has_noticed_yet_is_told_at_the_end(warehouse):
    with (
        transform_lock(warehouse.settings) as lock,
        pytest.raises(LockLostError),
        lock.guarding(lambda: None),
    ):
        end_the_builder_s_session(warehouse.settings)


def test_an_error_under_a_lock_that_is_held_stays_what_it_is(warehouse):
    with (
        transform_lock(warehouse.settings) as lock,
        pytest.raises(RuntimeError, match="a model is broken"),
        lock.guarding(lambda: pytest.fail("nobody lost it")),
    ):
        raise RuntimeError("a model is broken")


def test_a_second_builder_waits_and_is_told_when_it_takes_too_long(warehouse):
    with (
        transform_lock(warehouse.settings),
        pytest.raises(LockBusyError, match="has been running for more than 0 s"),
        transform_lock(warehouse.settings, wait_seconds=0),
    ):
        pass
