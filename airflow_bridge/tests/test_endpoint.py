import json
from types import SimpleNamespace

import certifi
import httpx
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


def test_an_address_of_version_6_stands_in_brackets():
    for host in ("::1", "[::1]"):
        assert endpoint_of(connection(host=host)).url == "http://[::1]:3000"
    assert endpoint_of(connection(host="dagster_web-1.svc.example.")).url == "http://dagster_web-1.svc.example.:3000"


def test_a_certificate_file_that_holds_one_is_taken():
    bundle = certifi.where()
    assert endpoint_of(connection({"verify": bundle})).verify == bundle


def test_a_file_that_holds_no_certificate_names_the_field(tmp_path):
    for content in ("", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        path = tmp_path / "ca.pem"
        path.write_text(content)
        with pytest.raises(DagsterConnectionInvalidError, match=r"'dg': extra\.verify .*ca\.pem"):
            endpoint_of(connection({"verify": str(path)}))


def test_what_is_accepted_can_be_sent(dagster):
    sent = {"X-Token": "a b\tc", "X-Empty": ""}
    endpoint = endpoint_of(connection({"headers": sent}, host="localhost", port=dagster.port))
    with httpx.Client(**endpoint.client_arguments()) as client:
        assert client.post("/graphql", json={"query": "query Version { version }", "variables": {}}).status_code == 200


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        (connection(host=""), "host"),
        (connection(host="http://dagster"), "host"),
        (connection(host="dag ster"), "host"),
        (connection(host="dagster:3000"), "host"),
        (connection(host="dägster!"), "host"),
        (connection(host="-dagster"), "host"),
        (connection(host="300.1.2.3"), "host"),
        (connection(host="user@dagster"), "host"),
        (connection(port=70000), "port"),
        (connection(port=0), "port"),
        (connection(login="a:b"), "login"),
        (connection(schema="ftp"), "schema"),
        (connection({"ui_url": "dagster.example"}), "extra.ui_url"),
        (connection({"ui_url": "https://dagster.example:x"}), "extra.ui_url"),
        (connection({"headers": {"X Token": "t"}}), "extra.headers"),
        (connection({"headers": {"": "t"}}), "extra.headers"),
        (connection({"headers": {"Content-Length": "3"}}), "extra.headers"),
        (connection({"headers": {"X-Token": "a\r\nb: c"}}), "extra.headers"),
        (connection({"headers": {"X-Token": "schlüssel"}}), "extra.headers"),
        (connection({"headers": {"X-Token": "t "}}), "extra.headers"),
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
        (connection({"connect_timeout": "1e12"}), "extra.connect_timeout"),
    ],
)
def test_a_bad_value_names_the_connection_and_the_field(broken, names):
    with pytest.raises(DagsterConnectionInvalidError) as caught:
        endpoint_of(broken)
    assert "'dg'" in str(caught.value)
    assert names in str(caught.value)
    assert "schlüssel" not in str(caught.value)
