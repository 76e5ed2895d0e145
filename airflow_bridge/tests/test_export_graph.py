from airflow_bridge.asset_graph import read_graph
from airflow_bridge.export_graph import main


def node(key, group, upstream, *, made=True):
    return {
        "assetKey": {"path": key.split("/")},
        "groupName": group,
        "isMaterializable": made,
        "description": f"What {key} is.",
        "owners": [
            {"__typename": "TeamAssetOwner", "team": "bi"},
            {"__typename": "UserAssetOwner", "email": "bi@shop.example"},
        ],
        "dependencyKeys": [{"path": each.split("/")} for each in upstream],
    }


def arguments(dagster, path, job="full_pipeline"):
    url = f"http://127.0.0.1:{dagster.port}"
    return ["--url", url, "--location", "shop_platform", "--job", job, "--output", str(path)]


def test_it_writes_what_the_job_makes_and_then_finds_nothing_to_complain_about(dagster, tmp_path):
    path = tmp_path / "graph.json"
    dagster.asset_nodes = [
        node("marts/kpi", "marts", ["raw/orders"]),
        node("raw/orders", "raw", ["kafka/orders"]),
        node("kafka/orders", "topics", [], made=False),
    ]
    assert main(arguments(dagster, path)) == 0
    assert "kafka/orders" not in path.read_text()
    kpi = read_graph(path).nodes["marts/kpi"]
    assert (kpi.description, kpi.owners) == ("What marts/kpi is.", ("team:bi", "bi@shop.example"))
    assert main([*arguments(dagster, path), "--check"]) == 0


def test_drift_is_told_and_the_file_left_alone(dagster, tmp_path, capsys):
    path = tmp_path / "graph.json"
    dagster.asset_nodes = [node("marts/kpi", "marts", [])]
    main(arguments(dagster, path))
    before = path.read_text()
    dagster.asset_nodes.append(node("marts/new", "marts", ["marts/kpi"]))
    assert main([*arguments(dagster, path), "--check"]) == 1
    assert "out of date" in capsys.readouterr().err
    assert path.read_text() == before


def test_an_unknown_job_and_an_absent_dagster_say_so_without_a_stack_trace(dagster, tmp_path, capsys):
    assert main(arguments(dagster, tmp_path / "graph.json", job="nope")) == 2
    assert "Dagster has no job 'nope'" in capsys.readouterr().err
    dagster.stop()
    assert main(arguments(dagster, tmp_path / "graph.json")) == 2
    assert "No asset graph" in capsys.readouterr().err
    assert not (tmp_path / "graph.json").exists()
