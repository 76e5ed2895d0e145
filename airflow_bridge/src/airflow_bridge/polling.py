"""Judges, answer by answer, whether the wait for a Dagster run is over; does no I/O itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_bridge.errors import DagsterBridgeError, DagsterRunNotFoundError
from airflow_bridge.graphql import Run

POLL_INTERVAL = 5.0
ERROR_TOLERANCE = 600.0

TIMED_OUT = "TIMED_OUT"
UNREACHABLE = "UNREACHABLE"
MISSING = "MISSING"


@dataclass(frozen=True)
class Outcome:
    """Why the wait ended.

    `status` is a final Dagster status (SUCCESS, FAILURE, CANCELED), or TIMED_OUT (the deadline passed; `message` then
    tells why the run may go on), UNREACHABLE (no answer for the whole tolerance) or MISSING (the run was deleted).
    """

    run_id: str
    status: str
    message: str = ""

    def payload(self) -> dict[str, Any]:
        """Return the form that travels in a trigger event."""
        return {"run_id": self.run_id, "status": self.status, "message": self.message}


class Tolerance:
    """How long failures are borne: `seconds`, counted in time, not attempts.

    A restart of the web server or a deployment takes minutes, however often one asks meanwhile.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._seconds = seconds
        self._clock = clock
        self._failing_since: float | None = None

    def success(self) -> None:
        """Take in an answer."""
        self._failing_since = None

    def is_exceeded(self) -> bool:
        """Take in a failure; tell whether there was no answer for all that time."""
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        return now - self._failing_since >= self._seconds


class RunWatch:
    """Follows one run; failures are borne for `tolerance` seconds.

    `deadline` is seconds since the epoch, so that a restarted triggerer keeps it.
    """

    def __init__(
        self,
        run_id: str,
        tolerance: float,
        deadline: float | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.run_id = run_id
        self._tolerance = Tolerance(tolerance, clock)
        self._deadline = deadline
        self._clock = clock

    def on_answer(self, run: Run) -> Outcome | None:
        """Take in the run's present state; return the outcome if the wait is over."""
        self._tolerance.success()
        if run.is_finished:
            return Outcome(self.run_id, run.status)
        return self._check_deadline()

    def on_error(self, error: DagsterBridgeError) -> Outcome | None:
        """Take in a failed request; return the outcome if the wait is over."""
        if isinstance(error, DagsterRunNotFoundError):
            return Outcome(self.run_id, MISSING, str(error))
        if self._tolerance.is_exceeded():
            return Outcome(self.run_id, UNREACHABLE, str(error))
        return self._check_deadline()

    def _check_deadline(self) -> Outcome | None:
        if self._deadline is not None and self._clock() >= self._deadline:
            return Outcome(self.run_id, TIMED_OUT)
        return None
