"""Gives every test an Airflow home of its own and a fake Dagster to talk to."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

# Before the first import of Airflow, which writes a configuration into its home.
_HOME = tempfile.mkdtemp(prefix="airflow-bridge-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

from fake_dagster import FakeDagster  # noqa: E402


@pytest.fixture
def dagster(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDagster]:
    with FakeDagster() as fake:
        connection = {
            "conn_type": "dagster",
            "host": "127.0.0.1",
            "port": fake.port,
            "extra": {"location": "shop_platform", "ui_url": "https://dagster.example", "read_timeout": 5},
        }
        monkeypatch.setenv("AIRFLOW_CONN_DAGSTER_DEFAULT", json.dumps(connection))
        yield fake
