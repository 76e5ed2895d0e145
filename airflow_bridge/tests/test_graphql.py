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
