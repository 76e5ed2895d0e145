"""Decides how to stop a Dagster run, answer by answer; does no I/O itself.

Dagster refuses to stop a run that is just STARTING (seconds for a light code location, half a minute
for a heavy one). So the request is repeated; and when there is no more time, a run that has still
not begun is marked as cancelled, which its process finds before it begins. A run that has begun is
never only marked: its process would go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_bridge.errors import DagsterBridgeError, DagsterRunNotFoundError
from airflow_bridge.graphql import Operation, terminate_run

_NOT_BEGUN = frozenset({"NOT_STARTED", "STARTING"})
PAUSE = 0.5


class CancelPlan:
    """What to ask next, until `is_over`; then `problem` is None, or says why the run may go on."""

    def __init__(self, run_id: str, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_over = False
        self.problem: str | None = None
        self._run_id = run_id
        self._clock = clock
        self._until = clock() + seconds
        self._force = False

    def request(self) -> Operation[str | None]:
        """Return the request to send now."""
        return terminate_run(self._run_id, force=self._force)

    def on_answer(self, refused_in: str | None) -> None:
        """Take in the answer: None when accepted, else the status in which Dagster refused."""
        if refused_in is None:
            self.is_over = True
        elif self._clock() >= self._until:
            if refused_in in _NOT_BEGUN and not self._force:
                self._force = True
            else:
                self._give_up(f"Dagster refuses to stop a run that is {refused_in}")

    def on_error(self, error: DagsterBridgeError) -> None:
        """Take in a request that failed; a deleted run needs no stopping."""
        if isinstance(error, DagsterRunNotFoundError):
            self.is_over = True
        elif self._clock() >= self._until:
            self._give_up(str(error))

    def _give_up(self, problem: str) -> None:
        self.is_over, self.problem = True, problem
