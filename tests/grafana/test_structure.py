"""What Grafana would refuse, or show wrongly, read from the committed files."""

import re
from itertools import combinations, pairwise

import pytest

from shop_platform.events.registry import TOPICS
from tests.grafana.documents import BOARDS, Json, every_query, provisioned, rules

PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
DATA_PANELS = [pytest.param(panel, id=f"{name}/{panel['title']}") for name, panel in PANELS if panel["type"] != "row"]
# Units that Grafana has; a misspelt one is shown as a suffix of the number.
UNITS = {"none", "short", "s", "cps", "rowsps", "percentunit", "dateTimeAsLocal", "dateTimeFromNow"}


def test_there_is_a_pipeline_and_a_business_board() -> None:
    assert set(BOARDS) == {"pipeline", "business"}


def test_uids_and_titles_are_unique() -> None:
    for key in ("uid", "title"):
        assert len({board[key] for board in BOARDS.values()}) == len(BOARDS)
        assert len({rule[key] for rule in rules()}) == len(rules())
    for name, board in BOARDS.items():
        assert re.fullmatch(r"[a-z0-9-]{1,40}", board["uid"]), name


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_the_classic_model_that_file_provisioning_takes(name: str) -> None:
    board = BOARDS[name]

    assert board["schemaVersion"] == 42
    assert board["editable"] is False
    assert not {"id", "__inputs", "apiVersion", "spec"} & board.keys()
    assert "${DS_" not in str(board)


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_their_own_id_and_fill_the_grid_without_overlap(name: str) -> None:
    panels = BOARDS[name]["panels"]
    boxes = [panel["gridPos"] for panel in panels]
    cells = [{(x, y) for x in range(b["x"], b["x"] + b["w"]) for y in range(b["y"], b["y"] + b["h"])} for b in boxes]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(b["x"] >= 0 and b["x"] + b["w"] <= 24 for b in boxes)
    assert not [pair for pair in combinations(range(len(cells)), 2) if cells[pair[0]] & cells[pair[1]]]
    height = max(b["y"] + b["h"] for b in boxes)
    assert sum(map(len, cells)) == 24 * height, "there is a hole in the layout"
    assert all(a["y"] <= b["y"] for a, b in pairwise(boxes))


@pytest.mark.parametrize("panel", DATA_PANELS)
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: Json) -> None:
    units = [panel["fieldConfig"]["defaults"]["unit"]]
    for override in panel["fieldConfig"]["overrides"]:
        units += [each["value"] for each in override["properties"] if each["id"] == "unit"]

    assert len(panel["title"]) >= 3
    assert len(panel["description"]) >= 15
    assert panel["description"].endswith(".")
    assert set(units) <= UNITS


def test_every_board_says_as_of_when_its_data_are() -> None:
    for board in BOARDS.values():
        assert "Data as of" in [panel["title"] for panel in board["panels"]]


@pytest.mark.parametrize("panel", DATA_PANELS)
def test_an_override_names_a_column_that_the_query_has(panel: Json) -> None:
    named = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
    sql = " ".join(target["rawSql"] for target in panel.get("targets", []))
    # A series of a labelled chart is called by the label's value, which only the data know.
    by_value = panel["fieldConfig"]["defaults"].get("displayName") is not None

    assert by_value or not [name for name in named if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql)]


def test_every_query_asks_the_provisioned_datasource() -> None:
    (source,) = provisioned("datasources/warehouse.yaml")["datasources"]
    expected = {"type": source["type"], "uid": source["uid"]}
    asked = [panel["datasource"] for _, panel in PANELS if panel.get("targets")]
    asked += [target["datasource"] for _, panel in PANELS for target in panel.get("targets", [])]
    asked += [mark["datasource"] for board in BOARDS.values() for mark in board["annotations"]["list"]]
    asked += [
        each["datasource"] for b in BOARDS.values() for each in b["templating"]["list"] if each["type"] == "query"
    ]

    assert asked
    assert all(each == expected for each in asked)
    assert {query["datasourceUid"] for rule in rules() for query in rule["data"]} == {source["uid"], "__expr__"}


def test_the_datasource_takes_its_address_and_password_from_the_environment() -> None:
    (source,) = provisioned("datasources/warehouse.yaml")["datasources"]

    assert source["type"] == "grafana-postgresql-datasource"
    assert source["user"] == "shop_grafana"
    assert "database" not in source, "Grafana reads jsonData.database only"
    assert source["jsonData"]["database"] == "${SHOP_PG_DATABASE}"
    assert source["secureJsonData"] == {"password": "${SHOP_PG_GRAFANA_PASSWORD}"}


def test_alerts_go_to_a_receiver_that_exists() -> None:
    receivers = {point["name"] for point in provisioned("alerting/contact-points.yaml")["contactPoints"]}
    (policy,) = provisioned("alerting/policies.yaml")["policies"]

    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} <= receivers
    severities = {rule["labels"]["severity"] for rule in rules()}
    assert {matcher[2] for route in policy["routes"] for matcher in route["object_matchers"]} <= severities


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["title"]) for rule in rules()])
def test_a_rule_has_every_key_that_grafana_needs_to_start(rule: Json) -> None:
    references = [query["refId"] for query in rule["data"]]
    measured, condition = rule["data"]

    assert {"uid", "title", "condition", "data", "noDataState", "execErrState", "for"} <= rule.keys()
    assert rule["condition"] == condition["refId"]
    assert rule["condition"] in references
    assert condition["datasourceUid"] == "__expr__"
    assert condition["model"]["expression"] == measured["refId"]
    assert measured["model"]["format"] == "table"
    assert rule["noDataState"] in {"NoData", "Alerting", "OK"}
    assert rule["execErrState"] in {"Error", "Alerting", "OK"}
    # Grafana expands `$` in these, which is wanted for one address; the queries' models stay as they are.
    annotations = dict(rule["annotations"])
    assert annotations.pop("runbook_url").startswith("${SHOP_RUNBOOK_URL}/")
    assert "$" not in str(rule["labels"]) + str(annotations) + rule["title"]


def test_the_rules_live_in_a_folder_of_their_own() -> None:
    (provider,) = provisioned("dashboards/shop.yaml")["providers"]
    folders = {group["folder"] for group in provisioned("alerting/rules.yaml")["groups"]}

    assert provider["folder"] not in folders, "two provisioners would make a folder of the same title"


def test_a_variable_is_used_and_every_used_one_exists() -> None:
    for name, board in BOARDS.items():
        known = {variable["name"] for variable in board["templating"]["list"]}
        used = {
            match for query in every_query() if query.board == name for match in re.findall(r"\$\{(\w+)", query.sql)
        }

        assert used == known


def test_the_topics_to_choose_from_are_those_of_the_contract() -> None:
    (variable,) = BOARDS["pipeline"]["templating"]["list"]

    assert variable["query"].split(",") == [topic.name for topic in TOPICS]


@pytest.mark.parametrize("query", [pytest.param(each, id=each.where) for each in every_query()])
def test_a_query_reads_marts_and_ops_only_and_has_no_trap(query) -> None:
    tables = set(re.findall(r"\b(?:from|join)\s+([a-z_]+)\.[a-z_]+", query.sql))

    assert tables <= {"marts", "ops"}
    assert "--" not in query.sql, "Grafana would cut the query there when it is put on one line"
    assert not re.search(r"\$__\w+\([^)]*\(", query.sql), "a macro ends at the first closing bracket"
