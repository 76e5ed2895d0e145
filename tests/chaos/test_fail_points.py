"""SIGKILL at every point of the landing transaction: nothing is lost, nothing is doubled, none of it half."""

from __future__ import annotations

import signal

import pytest

from shop_platform.operations.reconcile import reconcile
from tests.chaos.dose import REPEAT, dose
from tests.chaos.processes import read_everything, victim
from tests.chaos.proof import prove
from tests.chaos.stream import as_message, history, number_beyond_postgres, repeated, send
from tests.chaos.victim import POINTS
from tests.support.events import page_view


@pytest.mark.parametrize("point", POINTS)
def test_sigkill(shop, rng, tmp_path, point):
    settings = shop.settings.model_copy(update={"ingest_batch_messages": dose(150, 2_000)})
    messages = repeated(rng, history(rng, dose(1_500, 15_000)), 0.05)
    for _ in range(dose(8, 40)):  # what only PostgreSQL refuses: the careful path
        event = page_view(rng.randrange(1000))
        messages.insert(rng.randrange(len(messages)), as_message(event, number_beyond_postgres(event)))
    send(settings, messages)

    for turn in range(dose(2, 15)):
        with victim(settings, tmp_path / "victim.log", point, at=rng.randint(1, dose(2, 4)) if turn else 1) as process:
            ended = process.wait()
            assert ended in ({0, -signal.SIGKILL} if turn else {-signal.SIGKILL}), f"{process.tail()}; {REPEAT}"
        verdict = reconcile(settings)
        assert verdict.holds, f"I1 is broken after the kill: {verdict.as_dict()}; {REPEAT}"
        if ended == 0:
            break
    else:
        read_everything(settings)

    prove(settings)
