"""What a runbook says can be done at three in the morning: its commands are tried, its links lead on.

The commands of the runbooks, the guide and the other pages for users are typed beside a whole stack, by
``tests/local/test_demo.py``; here it is held that none is left out (``pages_tried.py``), and what costs nothing: their
options exist, and the queries run for the administrator.
"""

from __future__ import annotations

import re
import shlex

import pytest
from typer.main import get_command

from grafana.alerts import RULES
from shop_platform.cli import app
from shop_platform.dead_letters.cli import app as dead_letters
from shop_platform.generator.cli import app as generator
from shop_platform.ingest.offsets_cli import app as offsets
from shop_platform.landed_events.cli import app as events
from shop_platform.settings import PROJECT_ROOT, Role
from shop_platform.warehouse.connect import connect
from tests.operations.pages import PAGES, RUNBOOKS, commands
from tests.operations.pages_tried import TRIED, Elsewhere

TEXT = {page.name: page.read_text(encoding="utf-8") for page in RUNBOOKS}
EVERY = {name: commands(page.read_text(encoding="utf-8")) for name, page in PAGES.items()}
COMMANDS = sorted({each for found in EVERY.values() for each in found if re.match(r"shop [a-z]", each)})
# There are no marts in the warehouse of this test.
QUERIES = sorted(
    {each for found in EVERY.values() for each in found if re.match(r"select (?!.* (marts|test_failures)\.)", each)}
)


@pytest.mark.parametrize("name", EVERY)
def test_it_is_said_of_every_command_of_a_page_how_it_is_tried(name):
    assert set(EVERY[name]) == set(TRIED[name]), "correct tests/operations/pages_tried.py"


def test_a_command_that_another_test_holds_names_one():
    for how in (each for table in TRIED.values() for each in table.values()):
        if isinstance(how, Elsewhere):
            path, _, name = how.test.partition("::")
            assert (PROJECT_ROOT / path).exists(), how
            assert f"def {name}" in (PROJECT_ROOT / path).read_text() if name else True, how


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_its_options_exist(command):
    group, *words = shlex.split(command.split(" > ")[0])[1:]
    # `shop` hangs these in when it starts.
    mounted = {"dead-letters": dead_letters, "events": events, "offsets": offsets, "generate": generator}
    current = get_command(mounted[group]) if group in mounted else get_command(app).commands[group]
    for word in words:
        if word.startswith("--"):
            options = {name for parameter in current.params for name in parameter.opts} | {"--help"}
            assert word in options, f"{command}: no option {word}"
        elif hasattr(current, "commands"):
            assert word in current.commands, f"{command}: no command {word}"
            current = current.commands[word]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_runs(warehouse, query):
    with connect(warehouse.settings, Role.ADMIN) as admin:
        admin.execute(query.encode())


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_every_link_leads_to_a_page_and_a_heading(page):
    for target, heading, _ in re.findall(r"\]\(([^)#]+\.md)(#([^)]+))?\)", TEXT[page.name]):
        text = (page.parent / target).read_text(encoding="utf-8")
        if heading:
            anchors = {
                re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()
            }
            assert heading.lstrip("#") in anchors, f"{page.name}: {target}{heading}"


def test_every_page_stands_in_the_index_and_says_how_bad_where_to_look_and_how_it_ends():
    for name, text in TEXT.items():
        if name == "README.md":
            continue
        assert f"]({name})" in TEXT["README.md"]
        for part in ("**Says**", "**How bad**", "\n1. ", "**Afterwards.**"):
            assert part in text, f"{name} lacks {part}"


def test_every_alert_of_grafana_names_its_runbook():
    assert {rule.runbook for rule in RULES} == {"ingestion-behind", "run-failed", "marts-stale", "code-location"}
    for rule in RULES:
        assert f"{rule.runbook}.md" in TEXT
