"""Any sequence of events, repetitions, kills, restarts, rebalances and transformations ends in I1 and I2."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from shop_platform.operations.reconcile import reconcile
from tests.chaos.crew import Crew
from tests.chaos.dose import REPEAT, SEED, dose
from tests.chaos.processes import victim
from tests.chaos.stream import history, late, scatter, send
from tests.chaos.victim import POINTS
from tests.chaos.world import World

STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 200)), min_size=1, max_size=8)
SETTINGS = settings(
    max_examples=dose(3, 30),
    stateful_step_count=dose(12, 30),
    deadline=None,
    derandomize=False,
    database=None,
    print_blob=True,
    # An example takes seconds, so a failing one is shown as it was found.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Life(RuleBasedStateMachine):
    """One shop from its first event on."""

    world: World

    @initialize(number=st.integers(0, 2**31))
    def begin(self, number: int) -> None:
        self.settings = self.world.begin()
        self.rng = random.Random(number)
        self.waiting = history(self.rng, dose(800, 4_000), days=3)
        self.sent: list[Any] = []
        self.crew = Crew(self.settings)
        self.crew.hire()
        self.runs = 0

    @precondition(lambda self: self.waiting)
    @rule(count=st.integers(1, 200), shuffled=st.booleans())
    def produce(self, count: int, shuffled: bool) -> None:
        """Events come, in the order of their time or days late."""
        batch, self.waiting = self.waiting[:count], self.waiting[count:]
        self._send(late(self.rng, batch, 0.5) if shuffled else batch)

    @precondition(lambda self: self.sent)
    @rule(count=st.integers(1, 60), partition=st.sampled_from([-1, 0, 1, 2]))
    def duplicate(self, count: int, partition: int) -> None:
        """Events come again, perhaps in another partition."""
        again = [self.rng.choice(self.sent) for _ in range(count)]
        if partition < 0:
            self._send(again)
        else:
            scatter(self.settings, [(message, partition) for message in again])

    def _send(self, messages: list[Any]) -> None:
        self.runs += 1
        send(self.settings, messages, f"chaos-{self.runs:06d}")
        self.sent += messages

    @rule(steps=STEPS)
    def read(self, steps: list[tuple[int, int]]) -> None:
        """The readers work; what the last step read may still be on its way afterwards."""
        for reader, messages in steps:
            self.crew.step(reader % len(self.crew), messages)

    @rule(steps=STEPS, point=st.sampled_from(POINTS), at=st.integers(1, 2))
    def kill(self, steps: list[tuple[int, int]], point: str, at: int) -> None:
        """Another process reads too and is killed at an exact point, while the readers work."""
        small = self.settings.model_copy(update={"ingest_batch_messages": self.rng.randint(1, 150)})
        with victim(small, self.settings.data_dir / "victim.log", point, at) as process:
            self.read(steps)
            process.wait()

    @rule(steps=STEPS, stranger=st.booleans())
    def restart(self, steps: list[tuple[int, int]], stranger: bool) -> None:
        """A reader ends in the middle, another one begins."""
        self.read(steps)
        self.crew.dismiss(0)
        self.crew.hire(stranger=stranger)

    @rule(steps=STEPS)
    def lose_connections(self, steps: list[tuple[int, int]]) -> None:
        """The database ends every session, perhaps with a batch on its way."""
        self.read(steps)
        self.crew.lose_connections()

    @precondition(lambda self: len(self.crew) < 3)
    @rule(steps=STEPS)
    def rebalance(self, steps: list[tuple[int, int]]) -> None:
        """One more reader shares the partitions."""
        self.crew.hire()
        self.read(steps)

    @precondition(lambda self: len(self.crew) > 1)
    @rule(number=st.integers(0, 2))
    def rebalance_back(self, number: int) -> None:
        """A reader leaves; the others get its partitions."""
        self.crew.dismiss(number % len(self.crew))

    @rule()
    def transform(self) -> None:
        """The marts are built from what has landed so far."""
        self.world.transform()
        verdict = reconcile(self.settings)
        assert verdict.holds, f"{verdict.as_dict()}; {REPEAT}"

    def teardown(self) -> None:
        if not hasattr(self, "crew"):
            return
        try:
            self.crew.finish()
        finally:
            self.crew.dismiss_all()
        if self.sent:
            self.world.prove(self.settings)


def test_any_sequence(world, rng):
    @seed(SEED)
    class ThisLife(Life):
        pass

    ThisLife.world = world
    run_state_machine_as_test(ThisLife, settings=SETTINGS)
