"""SIGKILL of dbt in the middle of a run: the marts stay readable, the next run makes them whole."""

from __future__ import annotations

import time

from shop_platform.operations.dbt import dbt_environment
from tests.chaos.dose import REPEAT, dose
from tests.chaos.processes import eventually, read_everything, running
from tests.chaos.stream import history, send


def test_sigkill_of_dbt(world, rng, tmp_path):
    settings = world.begin()
    messages = history(rng, dose(1_500, 20_000))
    turns = dose(2, 15)
    for turn in range(turns):
        send(settings, messages[turn::turns], f"chaos-{turn:06d}")
        read_everything(settings)
        if turn == 0:
            world.transform()
            continue
        before = _runs(world)
        with running(
            ["-m", "dbt.cli.main", "run"],
            settings,
            tmp_path / "dbt.log",
            environment=dbt_environment(settings, target_path=tmp_path / "target"),
        ) as process:
            eventually(lambda before=before: _runs(world) > before, "the run has begun")
            time.sleep(rng.uniform(0, 2))  # where in the run is the fault
            process.kill()
        for mart in world.dbt.dbt.marts():
            world.dbt.rows(f"select count(*) from marts.{mart}")
    assert world.dbt.rows("select count(*) from marts.fct_orders")[0][0] > 0, REPEAT
    world.dbt.dbt.run()  # all of it: the killed one may have dropped a view that it would have made again
    world.prove(settings)


def _runs(world) -> int:
    return int(world.dbt.rows("select count(*) from ops.transform_runs")[0][0])
