"""What a runbook says can be done at three in the morning: its commands exist, its queries run, its links lead on."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.main import get_command

from grafana.alerts import RULES
from shop_platform.cli import app
from shop_platform.dead_letters.cli import app as dead_letters
from shop_platform.ingest.offsets_cli import app as offsets
from shop_platform.settings import PROJECT_ROOT, Role
from shop_platform.warehouse.connect import connect

PAGES = sorted((PROJECT_ROOT / "docs" / "runbooks").glob("*.md"))
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
COMMANDS = sorted({found for text in TEXT.values() for found in re.findall(r"`(shop [a-z][^`]*)`", text)})
QUERIES = sorted(
    {found for text in TEXT.values() for found in re.findall(r"`(select [^`]*)`", text)}
    | {
        found.strip().rstrip(";")
        for text in TEXT.values()
        for found in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_its_options_exist(command):
    group, *words = shlex.split(command)[1:]
    # `shop` hangs these two in when it starts.
    mounted = {"dead-letters": dead_letters, "offsets": offsets}
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
        admin.execute(query)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
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


def test_the_pages_hold_commands_and_queries():
    assert len(COMMANDS) > 10 and len(QUERIES) >= 3
