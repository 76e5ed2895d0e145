"""A user's mistake ends in a sentence and an exit code, never in a stack trace."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

from shop_platform.local.ports import any_free


def shop(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", *arguments],
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["status"], {"SHOP_ENV": "production"}, "SHOP_ENV"),
        (["demo", "--exit"], {"SHOP_DATA_DIR": "/proc/nowhere"}, "cannot be used"),
        (["verify", "--only", "i3"], {}, "is not an invariant"),
        (["reset"], {}, "Add --yes"),
        (["migrate"], {"SHOP_PG_PORT": str(any_free())}, "PostgreSQL at 127.0.0.1"),
        (["topics"], {"SHOP_KAFKA_BOOTSTRAP": f"127.0.0.1:{any_free()}"}, "does not answer"),
        (["reload", "marts"], {}, "There is no code location 'marts'"),
        (["reload"], {"SHOP_DAGSTER_URL": f"http://127.0.0.1:{any_free()}"}, "did not load 'warehouse' again"),
        (["generate", "history"], {"SHOP_ALLOW_SIMULATED_DATA": "false"}, "imulated"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_explained(arguments, variables, said, tmp_path):
    done = shop(*arguments, **({"SHOP_DATA_DIR": str(tmp_path / "data")} | variables))
    assert done.returncode not in {0, 1}
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_embedded_stack_is_refused_in_prod(tmp_path):
    passwords = {
        f"SHOP_PG_{role}_PASSWORD": "a-long-random-password"
        for role in ("ADMIN", "INGEST", "TRANSFORM", "ORCHESTRATOR", "DASHBOARD", "GRAFANA")
    }
    done = shop(
        "demo",
        SHOP_ENV="prod",
        SHOP_ALLOW_SIMULATED_DATA="false",
        SHOP_DATA_DIR=str(tmp_path / "data"),
        **passwords,
    )
    assert done.returncode == 2 and "SHOP_ENV is prod" in done.stderr


def test_help_names_every_command():
    text = shop("--help").stdout
    for command in (
        "demo",
        "up",
        "status",
        "migrate",
        "topics",
        "ingest",
        "verify",
        "generate",
        "env",
        "reset",
        "offsets",
        "dead-letters",
        "import",
        "erase",
    ):
        assert command in text


@pytest.mark.parametrize(
    "command", ["demo", "status", "ingest", "verify", "generate", "offsets", "dead-letters", "import"]
)
def test_every_command_has_help(command):
    done = shop(command, "--help")
    assert done.returncode == 0 and "Usage" in done.stdout


def test_status_of_nothing_says_what_is_away_and_exits_1_and_loads_no_dagster(tmp_path):
    """Dagster in it would double what each `shop status` takes."""
    nowhere = {"SHOP_DATA_DIR": str(tmp_path), "SHOP_PG_PORT": str(any_free())}
    done = shop("status", "--json", **nowhere, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 1 and "PostgreSQL at" in done.stdout and "Traceback" not in done.stderr
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "shop_platform" in loaded and loaded & {"dagster", "dbt", "numpy", "faker", "dash"} == set()


def test_a_command_loads_nothing_that_it_does_not_need():
    """`shop status` would take three times as long with NumPy, Faker, dbt and Dagster in it."""
    code = (
        "import sys, contextlib; from shop_platform import cli; sys.argv = ['shop', 'status', '--help']\n"
        "with contextlib.suppress(SystemExit): cli.main()\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stderr.strip()))
    heavy = {"numpy", "faker", "dagster", "dagster_dbt", "dbt", "dash", "polars", "sqlalchemy", "structlog"}
    assert loaded & heavy == set() and {"typer", "pydantic"} <= loaded
    assert {"psycopg", "confluent_kafka", "httpx"} & loaded == set(), "not before the command itself"
