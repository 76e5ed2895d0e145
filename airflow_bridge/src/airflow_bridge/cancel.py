"""Decides how to stop a Dagster run, answer by answer; does no I/O itself.

Dagster refuses to stop a run that is just STARTING (seconds for a light code location, half a minute
for a heavy one). So the request is repeated; and when there is no more time, a run that has still
not begun is marked as cancelled, which its process finds before it begins. A run that has begun is
never only marked: its process would go on. An accepted request is no end: the run is looked at until
it has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_bridge.errors import DagsterBridgeError, DagsterRunNotFoundError
from airflow_bridge.graphql import Operation, Run, get_run, terminate_run

_NOT_BEGUN = frozenset({"NOT_STARTED", "STARTING"})
_CANCELED = "CANCELED"
_PAUSE = 0.5


class CancelPlan:
    """What to ask next, until `is_over`; then `problem` is None, or says why the run may go on.

    With `wait=False` it is over as soon as Dagster has taken the request; somebody else waits for the end.
    """

    def __init__(
        self, run_id: str, seconds: float, clock: Callable[[], float] = time.monotonic, *, wait: bool = True
    ) -> None:
        self.is_over = False
        self.problem: str | None = None
        self._run_id = run_id
        self._clock = clock
        self._until = clock() + seconds
        self._wait = wait
        self._force = False
        self._accepted = self._just_accepted = False
        self._ended_as: str | None = None

    def request(self) -> Operation[Run] | Operation[str | None]:
        """Return the request to send now."""
        return get_run(self._run_id) if self._accepted else terminate_run(self._run_id, force=self._force)

    @property
    def pause(self) -> float:
        """How many seconds to wait before the next request: none after the one that was accepted."""
        return 0.0 if self._just_accepted else _PAUSE

    def on_answer(self, answer: Run | str | None) -> None:
        """Take in the run, or None for an accepted request, or the status in which Dagster refused it."""
        self._just_accepted = answer is None
        if isinstance(answer, Run):
            self._on_state(answer)
        elif answer is None:
            self._accepted = True
            self.is_over = not self._wait
        elif self._clock() >= self._until:
            if answer in _NOT_BEGUN and not self._force:
                self._force = True
            else:
                self._give_up(f"Dagster refuses to stop a run that is {answer}")

    def on_error(self, error: DagsterBridgeError) -> None:
        """Take in a request that failed; a deleted run needs no stopping."""
        self._just_accepted = False
        if isinstance(error, DagsterRunNotFoundError):
            self.is_over, self._ended_as = True, "deleted"
        elif self._clock() >= self._until:
            self._give_up(str(error))

    def words(self) -> str:
        """Return what has become of the run, to be put after its name."""
        if self.problem:
            return f"could not be stopped ({self.problem})"
        if self._ended_as == _CANCELED:
            return "was cancelled"
        if self._ended_as:
            return f"was not cancelled: it had ended before ({self._ended_as})"
        return "was asked to stop"

    def _on_state(self, run: Run) -> None:
        if run.is_finished:
            self.is_over, self._ended_as = True, run.status
        elif self._clock() >= self._until:
            self._give_up(f"it was asked to stop and is still {run.status}")

    def _give_up(self, problem: str) -> None:
        self.is_over, self.problem = True, problem
