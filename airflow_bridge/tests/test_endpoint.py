import json
from types import SimpleNamespace

import pytest
from airflow_bridge.endpoint import endpoint_of
from airflow_bridge.errors import DagsterConnectionInvalidError


def connection(extra=None, **fields):
    values = {"conn_id": "dg", "host": "dagster", "port": None, "schema": None, "login": None, "password": None}
    text = extra if isinstance(extra, str) or extra is None else json.dumps(extra)
    return SimpleNamespace(**{**values, **fields}, extra=text)


def test_a_bare_host_is_enough():
    endpoint = endpoint_of(connection())
    assert (endpoint.url, endpoint.ui_url) == ("http://dagster:3000", "http://dagster:3000")
    assert (endpoint.location, endpoint.repository, endpoint.verify) == (None, "__repository__", True)


def test_https_has_its_own_default_port():
    assert endpoint_of(connection(schema="HTTPS")).url == "https://dagster:443"


def test_links_use_the_address_a_browser_can_reach():
    endpoint = endpoint_of(connection({"ui_url": "https://dagster.example/"}, port=3001))
    assert endpoint.url == "http://dagster:3001"
    assert endpoint.run_url("r1") == "https://dagster.example/runs/r1"


def test_the_connection_form_may_hold_everything_as_text():
    endpoint = endpoint_of(
        connection({"headers": '{"X-Token": "t"}', "verify": "false", "read_timeout": "7.5", "connect_timeout": ""})
    )
    assert endpoint.headers == {"X-Token": "t"}
    assert endpoint.verify is False
    assert (endpoint.read_timeout, endpoint.connect_timeout) == (7.5, 5.0)


def test_secrets_do_not_show_in_a_log():
    endpoint = endpoint_of(connection({"headers": {"X-Token": "secret"}}, login="me", password="secret"))
    assert endpoint.auth == ("me", "secret")
    assert "secret" not in repr(endpoint)


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        (connection(host=""), "host"),
        (connection(host="http://dagster"), "host"),
        (connection(schema="ftp"), "schema"),
        (connection("not json"), "extra"),
        (connection([1]), "extra"),
        (connection({"locaton": "typo"}), "locaton"),
        (connection({"location": 3}), "extra.location"),
        (connection({"headers": "nope"}), "extra.headers"),
        (connection({"headers": {"a": 1}}), "extra.headers"),
        (connection({"verify": "/no/such/ca.pem"}), "extra.verify"),
        (connection({"verify": 3}), "extra.verify"),
        (connection({"read_timeout": "soon"}), "extra.read_timeout"),
        (connection({"read_timeout": 0}), "extra.read_timeout"),
        (connection({"connect_timeout": "nan"}), "extra.connect_timeout"),
    ],
)
def test_a_bad_value_names_the_connection_and_the_field(broken, names):
    with pytest.raises(DagsterConnectionInvalidError) as caught:
        endpoint_of(broken)
    assert "'dg'" in str(caught.value)
    assert names in str(caught.value)
