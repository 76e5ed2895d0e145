"""What must hold of every mart for any stream, in any order, in any batches: held on many small shops at once."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.chaos.dose import dose
from tests.dbt import events as e
from tests.dbt.project import ABOUT_THE_ROAD, CLOCKS, SHADOW, Shop
from tests.dbt.random_worlds import random_worlds
from tests.truth.account import Event
from tests.truth.compare import differences


@pytest.mark.timeout(dose(600, 7200))
@settings(
    max_examples=dose(2, 40),
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # an example takes half a minute: smaller ones are not sought
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32 - 1), worlds=st.integers(30, 60), batches=st.integers(2, 4))
def test_any_stream_in_any_batches_and_runs_ends_in_the_same_marts(
    shop: Shop, seed: int, worlds: int, batches: int
) -> None:
    stream = random_worlds(seed, worlds, batches)
    shop.clear()
    rng, marts = random.Random(seed), sorted(shop.dbt.marts())
    e.write(shop.settings, stream[0])
    shop.dbt.run()
    for batch in stream[1:-1]:
        e.write(shop.settings, batch)
        # Any selection may be run at any moment: what it leaves out is read again.
        shop.dbt.run("--select", *rng.sample(marts, rng.randint(1, len(marts))))
    e.write(shop.settings, stream[-1])
    shop.dbt.refresh()

    # I2: nothing that an incremental build left out.
    _assert_none(shop, shop.differences_from_a_full_refresh())
    # An account that shares nothing with the models: what the marts agree upon is also right.
    events = [Event(str(event.id), event.name, event.time, event.data) for batch in stream for event in batch]
    assert differences(shop.settings, events) == []
    # The same events in another order, at once.
    before = _marts(shop)
    shop.clear()
    e.write(shop.settings, rng.sample([event for batch in stream for event in batch], len(events)))
    shop.dbt.run()
    after = _marts(shop)
    assert {mart: sorted(before[mart] ^ after[mart])[:4] for mart in after if before[mart] != after[mart]} == {}


def _assert_none(shop: Shop, differing: dict[str, int]) -> None:
    """Name the rows, not only how many: a key tells which of the small shops it is about."""
    for mart in differing:
        for one, other in ((f"marts.{mart}", f"{SHADOW}marts.{mart}"), (f"{SHADOW}marts.{mart}", f"marts.{mart}")):
            note(f"only in {one}: {shop.rows(f'(table {one} except all table {other}) limit 2')}")
    assert differing == {}


def _marts(shop: Shop) -> dict[str, set[str]]:
    """Return the rows of every mart that is about the shop and not about the road; each row has a key."""
    return {
        mart: {
            str(row)
            for row in shop.rows(f"select {', '.join(c for c in columns if c not in CLOCKS)} from marts.{mart}")
        }
        for mart, columns in shop.dbt.marts().items()
        if mart not in ABOUT_THE_ROAD
    }
