"""Texts of statements: what stands in a place of one, and that a plan says nothing that dbt would not."""

from __future__ import annotations

import pytest

from shop_platform.refresh.plan.statements import (
    CEILING,
    RECORDED_CEILING,
    PlanError,
    check_ceiling_of_now,
    filled,
    with_ceiling_place,
)

PLACED = f"insert into ops.transform_runs select 1, {CEILING}"


def test_the_ceiling_that_was_recorded_becomes_a_place_for_any_other() -> None:
    assert with_ceiling_place(PLACED.replace(CEILING, f"cast('{RECORDED_CEILING}' as xid8)")) == PLACED
    assert filled(PLACED, prefix="", invocation="", ceiling="42").endswith("cast('42' as xid8)")
    with pytest.raises(PlanError, match="where it was expected"):
        with_ceiling_place("select 1")


def test_without_a_ceiling_a_plan_fixes_one_as_dbt_does_or_is_none() -> None:
    now = filled(PLACED, prefix="", invocation="")
    check_ceiling_of_now(PLACED, now)
    with pytest.raises(PlanError, match=r"dbt fixes the ceiling of a run by:\n.*xmax"):
        check_ceiling_of_now(PLACED, now.replace("xmin", "xmax"))
