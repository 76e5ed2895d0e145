"""Type the commands of the pages into a shell beside a running stack, in the states that the pages describe."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from dotenv import dotenv_values

from shop_platform.local.postgres import BIN
from shop_platform.settings import load
from tests.operations.pages import PAGES, commands
from tests.operations.pages_tried import TRIED, Run
from tests.support.events import LedgerProducer, event, page_view
from tests.support.waiting import eventually

_MARK = "~~ the end of a command:"
# What changes neither the shell nor the stack is typed once for all pages.
_ONCE = re.compile(r"shop ")
# What the transformation of every ten minutes neither builds nor checks.
_CHECK, _MART, _YML = "cohort_retention_is_whole_in_month_0", "cohort_retention", "customers/cohort_retention.yml"
_DESCRIPTION = (
    """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { description } } }"""
)


class Terminal:
    """A shell in which the virtual environment is on; what a command exports or where it goes holds for the next."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, command: str, answer: str = "") -> tuple[int, str]:
        """Return the exit code of a command and what it said; ``answer`` is what it can read."""
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"{{ {command}\n}} <<< {shlex.quote(answer)}\nprintf '\\n{_MARK} %s\\n' $?\n")
        self._shell.stdin.flush()
        said: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(_MARK):
                return int(line.removeprefix(_MARK)), "".join(said)
            said.append(line)
        raise AssertionError(f"the shell ended at '{command}':\n{''.join(said)}")

    def close(self) -> None:
        """End the shell."""
        self._shell.communicate("exit\n")


@dataclass
class PagesOfTheClone:
    """The pages' commands in a checkout that has a stack, with the environment of whoever reads them there."""

    folder: Path
    environment: Mapping[str, str]
    fills: dict[str, str] = field(default_factory=lambda: {"<name>": "dim_exchange_rates", "<check>": _CHECK})
    """What the pages leave to their readers."""

    def type(self, state: str) -> None:
        """Type every command that the table has for ``state`` and hold what comes of it against the table."""
        path = os.pathsep.join((str(Path(sys.prefix) / "bin"), str(BIN), self.environment["PATH"]))
        typed = set()
        for name, page in PAGES.items():
            terminal: Terminal | None = None
            for command in commands(page.read_text(encoding="utf-8")):
                how = TRIED[name][command]
                if not isinstance(how, Run) or how.state != state or (command in typed and _ONCE.match(command)):
                    continue
                typed.add(command)
                terminal = terminal or Terminal(self.folder, {**self.environment, "PATH": path})
                words = self._filled(command)
                if how.role:
                    words = f"psql -v ON_ERROR_STOP=1 -d {shlex.quote(self.address(how.role))} -c {shlex.quote(words)}"
                code, said = terminal.type(words, how.answer)
                well = code in how.codes and self._filled(how.says) in said and "Traceback" not in said
                assert well, f"{name}: {command} ended with {code}:\n{said}"
            if terminal is not None:
                terminal.close()
        assert typed, f"no page describes the state {state}"

    def while_all_is_well(self) -> None:
        """What can be typed at any time."""
        self.type("up")

    def of_letters(self) -> None:
        """What is said of dead letters, with such as the demo's shop sends."""
        seen = event("shop.web.product_viewed.v1", "ses_1", {"visitor_id": "vis_1", "product_id": "prd_1"})
        seen["data"] |= {"price": "1.00", "currency": "EUR"}
        letters = {
            "envelope_invalid": page_view(1, source="\0/shop/web"),
            "data_invalid": seen,
            "unknown_version": page_view(2, type="shop.web.page_viewed.v99"),
            "not_json": "<html><body>502 Bad Gateway</body></html>",
        }
        known = load(data_dir=self.folder / ".shop", kafka_bootstrap=self.known["SHOP_KAFKA_BOOTSTRAP"])
        producer, ids = LedgerProducer(known, "letters"), {kind: str(uuid.uuid4()) for kind in letters}
        for kind, letter in letters.items():
            if isinstance(letter, dict):
                letter["id"] = ids[kind]
            value = letter if isinstance(letter, str) else json.dumps(letter)
            producer.send_raw("shop.web", value.encode(), ids[kind])
        producer.flush()
        query = "select event_id::text, dead_letter_id from ops.dead_letters where event_id::text = any(%s)"
        with psycopg.connect(self.address("transform"), autocommit=True) as connection:
            eventually(lambda: len(connection.execute(query, [list(ids.values())]).fetchall()) == len(ids))
            found: dict[str, Any] = dict(connection.execute(query, [list(ids.values())]).fetchall())
        number = {kind: str(found[ids[kind]]) for kind in ids}
        editor = self.folder / "tmp" / "editor"
        editor.write_text('#!/bin/sh\nsed -i \'s/"visitor_id"/"session_id": "ses_1", &/\' "$1"\n')
        editor.chmod(0o755)
        self.fills |= {
            "show 5": f"show {number['envelope_invalid']}",
            "show 2 ": f"show {number['data_invalid']} ",
            "fix 2 ": f"fix {number['data_invalid']} ",
            "discard 9 ": f"discard {number['not_json']} ",
            "${EDITOR:-vi}": str(editor),
        }
        self.type("letters")

    def of_a_failing_check(self) -> None:
        """What is said of a check that fails, and of a model's file that was changed over it."""
        with psycopg.connect(self.address("transform"), autocommit=True) as connection:
            wrong = f"update marts.{_MART} set active_customers = active_customers - %s where month_number = 0"
            connection.execute(wrong, [1])
            file = self.folder / "dbt_project" / "models" / "marts" / _YML
            before = file.read_text()
            file.write_text(before.replace("One row per cohort", "As corrected, one row per cohort", 1))
            self.type("failing")
            assert self._description().startswith("As corrected"), "what was loaded again is what is in the files"
            connection.execute(wrong, [-1])
        file.write_text(before)

    def _filled(self, text: str) -> str:
        for placeholder, value in self.fills.items():
            text = text.replace(placeholder, value)
        return text

    @property
    def known(self) -> dict[str, str]:
        """What the running stack tells those in other terminals."""
        return {name: value or "" for name, value in dotenv_values(self.folder / ".shop" / "stack.env").items()}

    def address(self, role: str) -> str:
        """Return how to connect to the running stack's warehouse as ``role``."""
        known = self.known
        return psycopg.conninfo.make_conninfo(
            host=known["SHOP_PG_HOST"],
            port=known["SHOP_PG_PORT"],
            dbname=known["SHOP_PG_DATABASE"],
            user=f"shop_{role}",
            password=known[f"SHOP_PG_{role.upper()}_PASSWORD"],
        )

    def _description(self) -> str:
        body = {"query": _DESCRIPTION, "variables": {"key": {"path": ["marts", _MART]}}}
        answer = httpx.post(f"{self.known['SHOP_DAGSTER_URL']}/graphql", json=body, timeout=60).json()
        return str(answer["data"]["assetNodeOrError"]["description"])
