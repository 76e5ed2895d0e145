"""What the server answers: health, headers, CSV, callbacks; with data, without, and without a warehouse."""

import csv
import io
import json
from decimal import Decimal

import pytest

from dashboard import ids
from dashboard.data import queries
from dashboard.data.pool import Warehouse
from shop_platform.settings import Settings, load
from tests.dashboard.conftest import TODAY


@pytest.fixture
def nowhere() -> Settings:
    """Settings of a warehouse that does not answer."""
    return load(pg_port=1)


def _callback(client, output: str, inputs: list[tuple[str, str, object]], states=()) -> dict:
    """Call the callback that has ``output`` among its outputs, as the browser does."""
    known = client.get("/_dash-dependencies").get_json()
    entry = next(each for each in known if output in each["output"])
    outputs = entry["output"].strip(".").split("...")
    wanted = [dict(zip(("id", "property"), each.rsplit(".", 1), strict=True)) for each in outputs]
    body = {
        "output": entry["output"],
        "outputs": wanted if entry["output"].startswith("..") else wanted[0],
        "inputs": [{"id": i, "property": p, "value": v} for i, p, v in inputs],
        "state": [{"id": i, "property": p, "value": v} for i, p, v in states],
        "changedPropIds": [],
    }
    answer = client.post("/_dash-update-component", json=body)
    assert answer.status_code == 200, answer.text
    return answer.get_json()["response"]


def _kpis(client, search: str = "") -> str:
    inputs = [(ids.DATA_TOKEN, "data", None), (ids.SELECTION_URL, "search", search)]
    return json.dumps(_callback(client, f"{ids.KPIS}.children", inputs)["kpis"])


def test_health_is_good_when_the_pool_answers(seeded_marts, app_for):
    answer = app_for(seeded_marts).server.test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ok")


def test_health_is_bad_and_says_why_without_a_warehouse(nowhere, app_for):
    answer = app_for(nowhere).server.test_client().get("/healthz")
    assert answer.status_code == 503
    assert "refused" in answer.get_json()["warehouse"]


def test_every_answer_carries_the_security_headers(nowhere, app_for):
    client = app_for(nowhere).server.test_client()
    for path in ("/", "/healthz", "/_dash-layout", "/export/none.csv"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe-eval" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_document_has_a_language_and_loads_nothing_from_elsewhere(nowhere, app_for):
    page = app_for(nowhere).server.test_client().get("/").text
    assert '<html lang="en">' in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_a_warehouse_without_marts_shows_that_it_waits(fresh_warehouse, app_for):
    assert "Waiting for data" in _kpis(app_for(fresh_warehouse.settings).server.test_client())


def test_empty_marts_show_that_they_wait(empty_marts, app_for):
    assert "Waiting for data" in _kpis(app_for(empty_marts).server.test_client())


def test_a_period_without_data_says_which_days_there_are(seeded_marts, app_for):
    client = app_for(seeded_marts).server.test_client()
    inputs = [
        (ids.DATA_TOKEN, "data", None),
        (ids.SELECTION_URL, "search", "?from=2020-01-01&to=2020-01-31"),
        (ids.view(ids.CHANNELS), "value", "chart"),
    ]
    shown = json.dumps(_callback(client, f"{ids.body(ids.CHANNELS)}.children", inputs), ensure_ascii=False)
    assert "Nothing in this period" in shown
    assert "26 Jul – 22 Nov 2026" in shown


def test_a_warehouse_that_does_not_answer_is_an_error_state(nowhere, app_for):
    assert "No connection to the data" in _kpis(app_for(nowhere).server.test_client())


def test_a_card_whose_own_code_fails_leaves_the_others_alone(seeded_marts, app_for, monkeypatch, caplog):
    client = app_for(seeded_marts).server.test_client()
    monkeypatch.setattr(queries, "channels", lambda *_: 1 / 0)
    inputs = [
        (ids.DATA_TOKEN, "data", None),
        (ids.SELECTION_URL, "search", ""),
        (ids.view(ids.CHANNELS), "value", "chart"),
    ]
    assert "could not be drawn" in json.dumps(_callback(client, f"{ids.body(ids.CHANNELS)}.children", inputs))
    assert "Net revenue" in _kpis(client)
    assert "ZeroDivisionError" in caplog.text


def test_without_earlier_data_nothing_is_compared(seeded_marts, app_for):
    client = app_for(seeded_marts).server.test_client()
    assert '"from ' in _kpis(client)
    assert '"from ' not in _kpis(client, "?period=90d")


def test_the_csv_holds_the_numbers_of_the_page(seeded_marts, app_for):
    client = app_for(seeded_marts).server.test_client()
    answer = client.get("/export/trend.csv?period=7d")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["date_day"] for row in rows][-1] == TODAY.isoformat()
    pool = Warehouse(seeded_marts)
    days = queries.days(pool, TODAY, TODAY, "EUR")
    pool.close()
    assert Decimal(rows[-1]["net_amount"]) == days[0].net
    assert "shop-trend-2026-11-16-2026-11-22.csv" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("name", [ids.CHANNELS, ids.CATEGORIES])
def test_a_split_can_be_downloaded_with_and_without_comparison(seeded_marts, app_for, name):
    client = app_for(seeded_marts).server.test_client()
    assert "compared_net_amount" in client.get(f"/export/{name}.csv").text
    assert "compared_net_amount" not in client.get(f"/export/{name}.csv?compare=none").text


def test_a_name_that_a_spreadsheet_would_run_is_made_harmless():
    from dashboard.export import to_csv

    assert to_csv((["channel"], [["=1+1"], ["direct"]])).splitlines() == ["channel", "'=1+1", "direct"]


def test_an_export_that_does_not_exist_says_which_do(seeded_marts, app_for):
    answer = app_for(seeded_marts).server.test_client().get("/export/secrets.csv")
    assert answer.status_code == 404
    assert "trend" in answer.text


def test_an_export_without_a_warehouse_is_unavailable(nowhere, app_for):
    assert app_for(nowhere).server.test_client().get("/export/trend.csv").status_code == 503


def test_an_unchanged_version_draws_nothing_anew(seeded_marts, app_for):
    client = app_for(seeded_marts).server.test_client()
    connection = (ids.CONNECTION, "data", {"lost_since": None})

    def tick(token):
        states = [(ids.DATA_TOKEN, "data", token), connection]
        return _callback(client, f"{ids.DATA_TOKEN}.data", [(ids.TICK, "n_intervals", 1)], states)

    first = tick(None)[ids.DATA_TOKEN]["data"]
    assert first["version"]
    assert ids.DATA_TOKEN not in tick(first)


def test_a_connection_found_again_draws_everything_anew(seeded_marts, app_for):
    client = app_for(seeded_marts).server.test_client()
    token = {"version": "anything", "attempt": 3}
    states = [(ids.DATA_TOKEN, "data", token), (ids.CONNECTION, "data", {"lost_since": "10:00:00"})]
    answer = _callback(client, f"{ids.DATA_TOKEN}.data", [(ids.TICK, "n_intervals", 9)], states)
    assert answer[ids.DATA_TOKEN]["data"]["attempt"] == 4
    assert answer[ids.CONNECTION]["data"] == {"lost_since": None}
