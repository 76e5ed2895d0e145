import pytest
from airflow_bridge.launch import RETRIES_LEFT_TAG
from task_instance import Task

from airflow_bridge import errors


def test_a_launch_that_is_not_waited_for_ends_at_once_and_a_retry_launches_nothing(dagster):
    task = Task(wait_for_completion=False, promised_retries=5)
    for _ in range(2):
        assert task.next_try().execute(task.context) == dagster.runs[0].run_id
    assert len(dagster.runs) == 1
    assert dagster.runs[0].tags[RETRIES_LEFT_TAG] == "5"
    assert "_link_DagsterRunLink" in task.xcoms


def test_a_cleared_launch_waits_for_the_end_of_the_old_run_and_ends_with_the_new_one(dagster):
    task = Task(wait_for_completion=False)
    task.next_try().execute(task.context)
    task.clear()
    task.start()
    assert task.resume(dagster.runs[0]) == dagster.runs[1].run_id


@pytest.mark.parametrize(
    ("partitions", "key", "tag"),
    [(["2026-01-01"], "2026-01-01", "dagster/partition"), ([], "2026-01-01", "airflow/partition_key")],
)
def test_the_partition_key_becomes_dagsters_only_when_the_job_is_partitioned(dagster, partitions, key, tag):
    dagster.partitions = partitions
    Task(partition_key=key).start()
    assert {name: value for name, value in dagster.runs[0].tags.items() if "partition" in name} == {tag: key}


def test_a_partitioned_job_without_a_partition_key_is_refused(dagster):
    dagster.partitions = ["2026-01-01"]
    task = Task(partition_key="None")
    with pytest.raises(errors.DagsterRequestInvalidError, match="no partition key"):
        task.next_try().execute(task.context)
    assert dagster.runs == []
