import random

import pytest
from airflow_bridge.asset_graph import AssetGraphInvalidError, AssetNode, make_graph, read_graph

LISTED = [
    AssetNode("marts/kpi", "marts", ("marts/orders", "staging/orders"), "One row per day — in euros.", ("team:bi",)),
    AssetNode("staging/orders", "staging", ("raw/orders",)),
    AssetNode("raw/orders", "raw", ("kafka/orders",)),
    AssetNode("marts/orders", "marts", ("staging/orders",)),
]


def test_what_lies_above_the_job_is_left_out():
    assert make_graph("shop", "full", LISTED).nodes["raw/orders"].upstream == ()


def test_an_asset_comes_after_those_it_is_made_of_and_so_do_the_groups():
    graph = make_graph("shop", "full", LISTED)
    assert [node.key for node in graph.in_order()] == ["raw/orders", "staging/orders", "marts/orders", "marts/kpi"]
    assert graph.groups() == ["raw", "staging", "marts"]


def test_groups_that_need_each_other_go_on_in_stages():
    graph = make_graph(
        "l",
        "j",
        [
            AssetNode("v/1", "views"),
            AssetNode("f/1", "facts", ("v/1",)),
            AssetNode("v/2", "views", ("f/1",)),
            AssetNode("f/2", "facts", ("v/2",)),
        ],
    )
    expected = {"v/1": ("views", 1), "f/1": ("facts", 1), "v/2": ("views", 2), "f/2": ("facts", 2)}
    assert graph.stages() == expected


def test_no_stages_of_any_graph_are_made_of_each_other():
    for seed in range(200):
        chance = random.Random(seed)
        names = [f"a/{number}" for number in range(chance.randrange(1, 15))]
        listed = [
            AssetNode(name, chance.choice("xyz"), tuple(chance.sample(names[:at], chance.randrange(0, at + 1))))
            for at, name in enumerate(names)
        ]
        graph = make_graph("l", "j", listed)
        rank = {group: at for at, group in enumerate(graph.groups())}
        stages = {key: (stage, rank[group]) for key, (group, stage) in graph.stages().items()}
        for node in graph.nodes.values():
            assert all(stages[key] <= stages[node.key] for key in node.upstream)


def test_any_graph_keeps_its_order_and_its_text_does_not_depend_on_the_order_of_telling():
    for seed in range(50):
        chance = random.Random(seed)
        names = [f"a/{number}" for number in range(chance.randrange(1, 15))]
        listed = [
            AssetNode(name, "a", tuple(chance.sample(names[:at], chance.randrange(0, at + 1))))
            for at, name in enumerate(names)
        ]
        graph = make_graph("l", "j", listed)
        seen = set()
        for node in graph.in_order():
            assert set(node.upstream) <= seen
            seen.add(node.key)
        assert seen == set(names)
        chance.shuffle(listed)
        assert make_graph("l", "j", listed).text() == graph.text()


def test_what_was_written_is_read_again(tmp_path):
    graph = make_graph("shop", "full", LISTED)
    (tmp_path / "graph.json").write_text(graph.text(), encoding="utf-8")
    assert read_graph(tmp_path / "graph.json") == graph


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"location": "l", "job": "j", "assets": {"a": {}}}'])
def test_a_file_that_is_no_graph_says_how_to_make_one(tmp_path, text):
    path = tmp_path / "graph.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AssetGraphInvalidError, match="export_graph"):
        read_graph(path)


def test_a_circle_is_refused():
    with pytest.raises(AssetGraphInvalidError, match="made of each other: a, b"):
        make_graph("l", "j", [AssetNode("a", "g", ("b",)), AssetNode("b", "g", ("a",))]).in_order()
