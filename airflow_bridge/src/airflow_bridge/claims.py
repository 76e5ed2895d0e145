"""What a task notes in Airflow about the Dagster runs that it answers for, so that a mark finds them without it."""

from __future__ import annotations

from typing import Any, NamedTuple

CLAIM_KEY = "dagster_runs"
"""The XCom; it is there before the first launch."""


class Claim(NamedTuple):
    """The runs that carry `tags` at a connection.

    They end with the task, or, with `dag_run_only`, only with the whole DAG run: another task answers for them too.
    """

    dagster_conn_id: str
    tags: dict[str, str]
    dag_run_only: bool = False

    def as_xcom(self) -> dict[str, Any]:
        """Return the value to store."""
        return self._asdict()
