"""What the comparison with other tools computes and prints; the runs themselves are measurements, no tests."""

import json
import re

import pytest

from bench.ingest_peers import run
from bench.peers.columns import data_columns
from bench.peers.contest import size_of
from bench.peers.contestants import KEYS
from bench.peers.environments import AIVEN_VERSION, connector_version, pinned_version, pom_version, requirements_of
from bench.peers.figures import Entry, Round, Run, middle, row, started_at, table
from bench.peers.jdbc import MAKERS, schema_content
from bench.peers.stack import landable_id
from shop_platform.errors import ShopError
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import page_view

ENTRY = Entry("tool", "A tool", "1.2.3", "at least once", "a|b")


def a_run(rows: int, seconds: float, cpu: float = 1.0, server: float = 1.0, *, complete: bool = True) -> Run:
    return Run(rows, seconds, cpu, server, complete)


def a_round(peer_seconds: float, *, before: float = 1.0, after: float = 1.0) -> Round:
    return Round(a_run(1000, before), a_run(1000, peer_seconds), a_run(1000, after), a_run(1000, 2.0))


def test_a_peers_start_is_found_among_its_other_output() -> None:
    assert started_at('warming up\n["started"]\n{"level": "info"}\n{"started": 1795508265.25}\n') == 1795508265.25


@pytest.mark.parametrize("output", ["", "started\n", '{"started": "soon"}\n', '{"started": 17955'])
def test_no_start_is_read_from_output_without_a_whole_announcement(output: str) -> None:
    assert started_at(output) is None


def test_a_start_that_is_not_yet_followed_by_a_line_end_is_waited_for() -> None:
    # The moment may still be growing: 17 is not when it started.
    assert started_at('{"started": 17}') is None


def test_rows_per_second_count_rows_that_landed() -> None:
    assert a_run(3000, 2.0).rate == 1500
    assert a_run(0, 0.0).rate == 0


def test_a_rows_processor_time_includes_that_of_postgresql() -> None:
    assert a_run(1000, 9.0, cpu=2.0, server=0.5).cpu_per_row == pytest.approx(2500)
    assert a_run(0, 1.0).cpu_per_row == 0


def test_the_ratio_compares_with_the_ingestion_before_and_after() -> None:
    assert a_round(10.0, before=1.0, after=1.0).ratio == pytest.approx(10)
    # 1,000 and 500 rows a second: 750 against 100.
    assert a_round(10.0, before=1.0, after=2.0).ratio == pytest.approx(7.5)


def test_a_peer_that_landed_nothing_is_infinitely_slower() -> None:
    assert Round(a_run(10, 1), a_run(0, 1), a_run(10, 1), a_run(10, 1)).ratio == float("inf")


def test_the_round_in_the_middle_is_reported() -> None:
    rounds = [a_round(9.0), a_round(2.0), a_round(4.0)]
    assert middle(rounds) is rounds[2]


def test_of_two_rounds_the_one_less_in_our_favour_is_reported() -> None:
    rounds = [a_round(9.0), a_round(2.0)]
    assert middle(rounds) is rounds[1]


def test_a_figure_has_the_reference_and_what_is_needed_to_judge_it() -> None:
    figure = row(ENTRY, [a_round(4.0)], 1.234)
    assert figure["name"] == "ingest.vs_tool"
    assert figure["unit"] == "ratio"
    assert figure["value"] == figure["ratio"] == 4.0
    assert figure["reference"] == figure["peer_rows_per_second"] == 250
    assert figure["ours_rows_per_second"] == 1000
    assert (figure["alone_rows_per_second"], figure["ratio_alone"]) == (500, 2.0)
    assert (figure["version"], figure["guarantee"], figure["wrote"]) == ("1.2.3", "at least once", "a|b")
    assert figure["load_average_measured"] == 1.23
    json.dumps(figure)


def test_the_table_puts_the_fastest_peer_first_and_keeps_its_cells_apart() -> None:
    slow, fast = (row(Entry(key, key, "1", "g", "a|b"), [a_round(s)], 0) for key, s in (("slow", 9.0), ("fast", 2.0)))
    lines = table([slow, fast]).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| fast", "| slow"]
    assert len({len(re.split(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "500" in lines[2]
    assert "1,000" in lines[2]


def test_the_table_says_of_a_peer_that_was_stopped_how_far_it_came() -> None:
    stopped = Round(a_run(1000, 1), a_run(1234, 60.0, complete=False), a_run(1000, 1), a_run(1000, 1))
    assert "stopped after 1,234 rows" in table([row(ENTRY, [stopped], 0)])
    assert "stopped" not in table([row(ENTRY, [a_round(2.0)], 0)])


def test_a_pinned_version_is_read_from_requirements() -> None:
    text = "dlt-plus==9.9\ndlt==1.31.0\nmq-bridge==1.2.0 ; python_version > '3'\n"
    assert pinned_version(text, "dlt") == "1.31.0"
    assert pinned_version(text, "mq-bridge") == "1.2.0"
    with pytest.raises(KeyError):
        pinned_version(text, "bridge")


def test_a_version_is_read_from_a_maven_project() -> None:
    pom = "<artifactId>a-b</artifactId><version>1.0</version><artifactId>b</artifactId>\n  <version>2.0</version>"
    assert pom_version(pom, "b") == "2.0"
    with pytest.raises(KeyError):
        pom_version(pom, "c")


def test_connectors_are_named_with_the_version_of_connect() -> None:
    assert connector_version("aiven").startswith(f"{AIVEN_VERSION} (Connect ")
    assert re.fullmatch(r"\d[\w.]+ \(Connect \d[\d.]+\)", connector_version("debezium"))


@pytest.mark.parametrize("peer", ["dlt", "quix", "mq_bridge"])
def test_every_package_of_a_peer_is_pinned(peer: str) -> None:
    lines = [line for line in requirements_of(peer).read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert all(re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==[\w.]+", line) for line in lines)


def test_an_event_and_one_with_a_strange_type_can_land_in_any_table() -> None:
    event = page_view()
    assert landable_id(json.dumps(event).encode()) == event["id"]
    assert landable_id(json.dumps(event | {"type": "shop.web.page_viewed.v99"}).encode()) == event["id"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"<html></html>",
        b"[1]",
        b'{"id": "a"',
        b'{"id": "a", "x": "\xff\xfe"}',
        b'{"id": "a", "source": "\\u0000/shop"}',
        b'{"source": "/shop"}',
    ],
)
def test_what_is_no_event_is_not_expected_of_a_peer(value: bytes | None) -> None:
    assert landable_id(value) is None


def test_every_field_of_the_web_events_has_a_column() -> None:
    columns = data_columns()
    assert set(page_view()["data"]) <= columns.keys()
    assert columns["quantity"] == "integer"
    assert columns["customer_id"] == "text"


def test_connects_schema_names_every_field_of_the_data_once() -> None:
    schema = json.loads(schema_content())
    data = next(field for field in schema["fields"] if field["field"] == "data")
    names = [field["field"] for field in data["fields"]]
    assert names == list(data_columns())
    assert {field["type"] for field in data["fields"]} == {"string", "int32"}
    assert all(field["optional"] for field in data["fields"])


def test_the_figures_keep_the_names_that_the_documents_use() -> None:
    assert {"dlt", "quix", "mq_bridge", "jdbc_sink"} <= set(KEYS)
    assert set(MAKERS) <= set(KEYS)


def test_an_unknown_peer_is_named_with_those_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BENCH_PEERS", "dlt, flink")
    with pytest.raises(ShopError, match="flink") as caught:
        run()
    assert "mq_bridge" in caught.value.hint


def test_the_size_of_a_table_counts_its_partitions_and_of_one_that_is_not_there_yet_nothing(fresh_warehouse) -> None:
    with connect(fresh_warehouse.settings, Role.ADMIN) as admin:
        admin.execute("create table parted (n integer) partition by range (n)")
        admin.execute("create table part partition of parted for values from (0) to (100)")
        admin.execute("create table plain (n integer)")
        assert [size_of(admin, "public", name) for name in ("parted", "plain", "missing")] == [0, 0, 0]
        admin.execute("insert into parted values (1)")
        admin.execute("insert into plain values (1)")
        assert [size_of(admin, "public", name) for name in ("parted", "plain")] == [8192, 8192]
