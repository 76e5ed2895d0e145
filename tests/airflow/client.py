"""Airflow as a user meets it: the REST API of a running one."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import httpx

from shop_platform.local.airflow import USER, AirflowHome
from tests.support.waiting import eventually

FINISHED = ("success", "failed")


# More than the minute in which a log's last lines come on any machine.
_LOOKS = 120


@dataclass(frozen=True)
class DagRun:
    """One run of a DAG."""

    airflow: AirflowClient
    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        """Its address in the API."""
        return f"/api/v2/dags/{self.dag_id}/dagRuns/{self.run_id}"

    def state(self) -> str:
        """The state of the run."""
        return str(self.airflow.get(self.path)["state"])

    def tasks(self) -> dict[str, str | None]:
        """The state of each task."""
        found = self.airflow.get(f"{self.path}/taskInstances", limit=200)["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def wait(self) -> str:
        """Wait for the end of the run; return its state."""
        eventually(lambda: self.state() in FINISHED)
        return self.state()

    def wait_for(self, task_id: str, states: Collection[str]) -> None:
        """Wait until the task is in one of the states."""

        def reached() -> bool:
            state = self.tasks()[task_id]
            assert state in states or state not in FINISHED, f"{task_id} is {state}: {self.log(task_id)}"
            return state in states

        eventually(reached)

    def log(self, task_id: str, attempt: int = 1) -> str:
        """The text of the log of one try."""
        content = self.airflow.get(f"{self.path}/taskInstances/{task_id}/logs/{attempt}", full_content=True)["content"]
        return re.sub(
            r"\\(.)", r"\1", "\n".join(f"{line.get('event')} {line.get('error_detail', '')}" for line in content)
        )

    def says(self, text: str, task_id: str, attempt: int = 1) -> None:
        """Wait for ``text`` in the log of one try that has ended; its last lines come a moment after its state."""
        looks = 0

        def said() -> bool:
            nonlocal looks
            looks += 1
            log = self.log(task_id, attempt)
            assert text in log or looks < _LOOKS, f"{task_id} does not say '{text}': {log}"
            return text in log

        eventually(said)

    def links(self, task_id: str) -> dict[str, str]:
        """The buttons of a task."""
        return dict(self.airflow.get(f"{self.path}/taskInstances/{task_id}/links")["extra_links"])

    def mark(self, task_id: str, state: str) -> None:
        """Set the state of a task, as the button does."""
        self.airflow.send("PATCH", f"{self.path}/taskInstances/{task_id}", {"new_state": state})

    def fail(self) -> None:
        """Mark the run as failed, as the button does."""
        self.airflow.send("PATCH", self.path, {"state": "failed"})

    def audit_log(self) -> list[tuple[str, str]]:
        """The task and the text of each entry."""
        found = self.airflow.get("/api/v2/eventLogs", dag_id=self.dag_id, run_id=self.run_id, limit=100)["event_logs"]
        return [(entry["task_id"], entry["extra"]) for entry in found]

    def clear(self, *task_ids: str, downstream: bool = False, only_failed: bool = False) -> None:
        """Clear tasks, or all of the run, as the button does."""
        body = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "only_failed": only_failed,
            "include_downstream": downstream,
            "reset_dag_runs": True,
        } | ({"task_ids": list(task_ids)} if task_ids else {})
        self.airflow.send("POST", f"/api/v2/dags/{self.dag_id}/clearTaskInstances", body)


class AirflowClient:
    """Logged in as the administrator."""

    def __init__(self, url: str, home: AirflowHome) -> None:
        self.url = url
        self.home = home
        self._http = httpx.Client(base_url=url, timeout=60)
        answer = self._http.post("/auth/token", json={"username": USER, "password": home.secrets()["admin"]})
        self._http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Ask."""
        answer = self._http.get(path, params=query, headers={"Accept": "application/json"})
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return dict(answer.json())

    def send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change something."""
        answer = self._http.request(method, path, json=body)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text[:500]}"
        return dict(answer.json())

    def knows(self, dag_id: str) -> bool:
        """Whether the DAG has been parsed and may run."""
        return any(dag["dag_id"] == dag_id for dag in self.get("/api/v2/dags", limit=100)["dags"])

    def trigger(self, dag_id: str) -> DagRun:
        """Start a run of the DAG as soon as Airflow knows it."""
        eventually(lambda: self.knows(dag_id))
        made = self.send("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": {}})
        return DagRun(self, dag_id, made["dag_run_id"])

    def runs(self, dag_id: str) -> list[DagRun]:
        """Every run of the DAG, oldest first."""
        found = self.get(f"/api/v2/dags/{dag_id}/dagRuns", order_by="id")["dag_runs"]
        return [DagRun(self, dag_id, run["dag_run_id"]) for run in found]

    def close(self) -> None:
        """Hang up."""
        self._http.close()
