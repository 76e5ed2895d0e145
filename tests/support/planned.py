"""dbt's part by a plan: for tests of what happens around builds, where dbt itself is not the subject."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from shop_platform.operations.dbt import run_dbt
from shop_platform.refresh.plan.execute import PlanRunner
from shop_platform.refresh.plan.store import plan_for
from shop_platform.settings import PROJECT_ROOT, Role, Settings
from shop_platform.warehouse.connect import connect
from tests.dbt.selection import chosen

PLANS = PROJECT_ROOT / "build" / "plans"

# Of a full refresh only, and about what retention has removed: a plan refuses by itself what it was not recorded on.
_GUARDS = {"accept_lost_history"}


def run_by_plan(
    settings: Settings,
    arguments: Sequence[str],
    *,
    variables: dict[str, str] | None = None,
    schema_prefix: str = "",
    **rest: Any,
) -> str:
    """Do what ``run_dbt`` would do, by a plan where one can; a plan writes no artifacts."""
    command, *words = arguments
    told = {name: value for name, value in (variables or {}).items() if name not in _GUARDS}
    plan = plan_for(settings, PLANS)
    what = chosen(plan, [*words, "--vars", json.dumps(told)]) if command == "run" else None
    if what is None:
        return run_dbt(settings, arguments, variables=variables, schema_prefix=schema_prefix, **rest)
    with connect(settings, Role.TRANSFORM, autocommit=True) as connection:
        done = PlanRunner(plan, connection, prefix=schema_prefix).run(
            what.models, full_refresh=what.full_refresh, ceiling=what.ceiling, days=what.days
        )
    failed = [f"{each.name}: {each.status}: {each.message}" for each in done if not each.succeeded]
    assert not failed, "\n".join(failed)
    return f"{len(done)} models"
