import json

import pytest
from airflow_bridge.errors import (
    DagsterJobNotFoundError,
    DagsterQueryFailedError,
    DagsterRequestInvalidError,
    DagsterUnreachableError,
)

from airflow_bridge import graphql

JOB = graphql.Job("ingest", "shop_platform", "__repository__", [["raw", "events"]])


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (503, "<html>away</html>"),
        (200, "<html>login</html>"),
        (200, "[]"),
        (502, '{"data": {}}'),
        (200, '{"data": null}'),
    ],
)
def test_what_is_no_graphql_answer_counts_as_unreachable(status, text):
    with pytest.raises(DagsterUnreachableError):
        graphql.read_response(status, text)


def test_a_refused_query_says_why():
    with pytest.raises(DagsterQueryFailedError, match="Cannot query field"):
        graphql.read_response(400, json.dumps({"errors": [{"message": "Cannot query field 'x'"}]}))


@pytest.mark.parametrize("name", ["nope", "2099-13-01"])
def test_a_partition_that_is_none_is_refused_with_dagsters_words(name):
    """What Dagster 1.13 answers, with status 500."""
    text = f"ValueError: time data '{name}' does not match format '%Y-%m-%d%z'\n"
    body = json.dumps({"data": {"launchRun": {"__typename": "PythonError", "message": text}}})
    operation = graphql.launch_run(JOB, {}, {"dagster/partition": name})
    with pytest.raises(DagsterRequestInvalidError, match=rf"no partition '{name}' of job 'ingest' .*does not match"):
        operation.read(graphql.read_response(500, body))
    with pytest.raises(DagsterQueryFailedError, match="could not launch"):
        graphql.launch_run(JOB, {}, {}).read(graphql.read_response(500, body))


def test_a_launch_selects_job_location_and_assets():
    params = graphql.launch_run(JOB, {"ops": {}}, {"a": "b"}).body()["variables"]["params"]
    assert params["selector"] == {
        "jobName": "ingest",
        "repositoryLocationName": "shop_platform",
        "repositoryName": "__repository__",
        "assetSelection": [{"path": ["raw", "events"]}],
    }
    assert params["runConfigData"] == {"ops": {}}
    assert params["executionMetadata"] == {"tags": [{"key": "a", "value": "b"}]}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"__typename": "PipelineNotFoundError", "message": "gone"}, DagsterJobNotFoundError),
        ({"__typename": "InvalidSubsetError", "message": "gone"}, DagsterRequestInvalidError),
        ({"__typename": "RunConfigValidationInvalid", "errors": [{"message": "gone"}]}, DagsterRequestInvalidError),
        ({"__typename": "PythonError", "message": "gone\nline 2"}, DagsterQueryFailedError),
        ({"__typename": "InvalidStepError"}, DagsterQueryFailedError),
    ],
)
def test_a_typed_error_inside_a_200_is_raised_and_names_the_job(answer, error):
    with pytest.raises(error, match=r"'ingest' in code location 'shop_platform'"):
        graphql.launch_run(JOB, {}, {}).read({"launchRun": answer})
