"""The sample producers of the documentation, as commands that send."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from shop_platform.settings import PROJECT_ROOT
from tests.support import languages

SAMPLES = PROJECT_ROOT / "docs" / "examples" / "producers"
PYTHON = [sys.executable, str(SAMPLES / "python" / "producer.py")]


@pytest.fixture(scope="session")
def producer_in_javascript() -> list[str]:
    """The command of the sample in JavaScript."""
    return languages.javascript(SAMPLES / "javascript", "producer.mjs")


@pytest.fixture(scope="session")
def producer_in_go() -> list[str]:
    """The command of the sample in Go."""
    return languages.go(SAMPLES / "go")


def run(command: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a sample with ``variables`` as its only ones of the platform."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    return subprocess.run(
        command, env=environment | dict(variables), capture_output=True, text=True, timeout=300, check=False
    )
