"""What happens to Dagster runs when a person ends their DAG run or task, without any trigger."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow import settings
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow_bridge.errors import AirflowFailException
from airflow_bridge.marks import Mark
from sqlalchemy import delete, insert, select, text, update
from task_instance import Task
from test_outcome_operator import OutcomeTask

from airflow_bridge import marks, stopping

DAG = {"dag_id": "shop_pipeline", "run_id": "manual__1"}
OF_LAUNCH = {"airflow/dag_id": "shop_pipeline", "airflow/run_id": "manual__1", "airflow/task_id": "launch"}
MANUALLY = "Dag Run's state was manually set to `failed`."


@pytest.fixture(scope="module")
def tables():
    import_all_models()
    Base.metadata.create_all(settings.engine)


@pytest.fixture
def database(tables):
    """Airflow's own tables, with one DAG run; call it with the tasks whose XComs are to be there."""
    now = datetime.now(UTC)

    def fill(**tasks):
        with create_session(scoped=False) as session:
            session.execute(text("PRAGMA foreign_keys=OFF"))  # no task instances: only what they noted
            for table in (XComModel, Log, DagRun):
                session.execute(delete(table))
            session.execute(insert(DagRun.__table__).values(id=1, run_type="manual", run_after=now, **DAG))
            for task_id, task in tasks.items():
                row = {"task_id": task_id, "map_index": -1, "dag_run_id": 1, "timestamp": now, **DAG}
                for key, value in task.xcoms.items():
                    session.execute(insert(XComModel.__table__).values(key=key, value=value, **row))

    return fill


@pytest.fixture
def stopped(monkeypatch):
    """What was handed on to be stopped; the thread is not started."""
    handed_on = []
    thread = lambda target, args, **_: SimpleNamespace(start=lambda: handed_on.extend(args))  # noqa: E731
    monkeypatch.setattr(marks.threading, "Thread", thread)
    return handed_on


def audit_log():
    with create_session(scoped=False) as session:
        return [(entry.task_id, entry.extra) for entry in session.scalars(select(Log).order_by(Log.id))]


def launched():
    """`launch` and `dagster_run` of a watched job, and the run that the first has launched for the second."""
    launch = Task(task_id="launch", wait_for_completion=False, promised_retries=2)
    run_id = launch.next_try().execute(launch.context)
    outcome = OutcomeTask(SimpleNamespace(run_id=run_id))
    return launch, outcome


def test_airflow_loads_the_listener():
    from airflow.listeners.listener import get_listener_manager

    assert get_listener_manager().pm.is_registered(marks)


@pytest.mark.parametrize("listener", [marks.on_dag_run_failed, marks.on_dag_run_success])
def test_a_mark_is_acted_upon_once_it_is_written_and_not_when_it_is_taken_back(database, stopped, listener):
    database()
    with settings.NonScopedSession() as session:
        dag_run = session.scalar(select(DagRun))
        for _ in range(2):
            listener(dag_run=dag_run, msg=MANUALLY)
        session.rollback()
        session.close()
    assert stopped == []
    with settings.NonScopedSession() as session:
        dag_run = session.scalar(select(DagRun))
        for _ in range(2):
            listener(dag_run=dag_run, msg=MANUALLY)
        assert stopped == []
        session.commit()
        session.commit()
    assert stopped == [{Mark(**DAG)}]


def test_what_ends_by_itself_is_no_mark(database, stopped):
    database()
    with settings.NonScopedSession() as session:
        dag_run = session.scalar(select(DagRun))
        marks.on_dag_run_failed(dag_run=dag_run, msg="task_failure")
        marks.on_dag_run_success(dag_run=dag_run, msg="success")
        marks.on_task_instance_success(previous_state="running", task_instance=SimpleNamespace())
        marks.on_task_instance_failed(previous_state="running", task_instance=SimpleNamespace())
        session.commit()
    assert stopped == []


@pytest.mark.parametrize(
    ("marked", "judged", "listener"),
    [("failed", "success", marks.on_dag_run_success), ("success", "failed", marks.on_dag_run_failed)],
)
def test_a_scheduler_that_judges_a_marked_dag_run_once_more_does_not_change_its_state(
    database, marked, judged, listener
):
    """As it does when a deadlock with the mark has rolled it back."""
    database()
    message = {"success": "success", "failed": "task_failure"}[judged]
    for before, after in [("running", judged), (marked, marked)]:
        with settings.NonScopedSession() as session:
            session.execute(update(DagRun).values(state=before))
            session.commit()
            dag_run = session.scalar(select(DagRun))
            dag_run.set_state(judged)
            listener(dag_run=dag_run, msg=message)
            session.commit()
            assert dag_run.state == after


def test_a_marked_dag_run_stops_its_run_although_the_task_that_waits_for_it_never_began(dagster, database):
    launch, _ = launched()
    other = dagster.add_run(tags=OF_LAUNCH | {"airflow/run_id": "manual__2"})
    ended = dagster.add_run(tags=OF_LAUNCH, status="FAILURE")
    run = dagster.runs[0]
    run.status, run.starting_for = "STARTING", 2  # Dagster refuses twice
    database(launch=launch)
    stopping.stop_runs_of({Mark(**DAG)})
    assert (run.status, other.status, ended.status) == ("CANCELED", "STARTED", "FAILURE")
    assert audit_log() == [("launch", f"Dagster run {run.run_id} was cancelled")]


def test_a_marked_task_stops_what_it_waits_for_and_a_marked_launch_stops_nothing(dagster, database):
    launch, outcome = launched()
    outcome.start()
    (run,) = dagster.runs
    database(launch=launch, dagster_run=outcome)
    stopping.stop_runs_of({Mark(**DAG, task_id="launch"), Mark(**DAG, task_id="elsewhere")})
    assert (run.status, audit_log()) == ("STARTED", [])
    stopping.stop_runs_of({Mark(**DAG), Mark(**DAG, task_id="dagster_run")})
    assert run.status == "CANCELED"
    assert audit_log() == [("dagster_run", f"Dagster run {run.run_id} was cancelled")]


def test_a_run_that_nobody_answers_for_goes_on(dagster, database):
    task = Task(wait_for_completion=False)
    task.next_try().execute(task.context)
    database(ingest=task)
    stopping.stop_runs_of({Mark(**DAG)})
    assert (dagster.runs[0].status, audit_log()) == ("STARTED", [])


def test_a_mark_during_an_outage_is_acted_upon_afterwards(dagster, database):
    task = Task()
    task.start()
    database(ingest=task)
    dagster.outage = 2
    stopping.stop_runs_of({Mark(**DAG, task_id="ingest")})
    assert dagster.runs[0].status == "CANCELED"


def test_the_audit_log_says_why_runs_could_not_be_stopped(dagster, database, monkeypatch):
    task = Task()
    task.start()
    database(ingest=task)
    dagster.stop()
    monkeypatch.setattr(stopping, "SECONDS", 0.0)
    stopping.stop_runs_of({Mark(**DAG)})
    ((task_id, said),) = audit_log()
    assert task_id == "ingest"
    assert "Its Dagster runs may go on: DagsterUnreachableError: Dagster at " in said


@pytest.mark.parametrize(
    ("state", "options"), [("failed", {}), ("skipped", {"wait_for_completion": False, "promised_retries": 2})]
)
def test_a_run_that_is_launched_after_the_mark_is_stopped_by_its_own_worker(dagster, state, options):
    task = Task(**options)
    dagster.before_launch = lambda: setattr(task, "state", state)
    with pytest.raises(AirflowFailException, match=f"was put to '{state}'"):
        task.next_try().execute(task.context)
    assert [run.status for run in dagster.runs] == ["CANCELED"]


def test_a_worker_to_which_airflow_does_not_tell_its_state_goes_on(dagster, monkeypatch):
    task = Task()
    context = task.context
    context["ti"].get_task_states = lambda **_: 1 / 0
    monkeypatch.setattr(Task, "context", context)
    task.next_try()
    task.start()
    assert dagster.runs[0].status == "STARTED"
