"""Fixtures: validators of the published schemas in other languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import languages

_PROGRAMS = Path(__file__).parent / "languages"


@pytest.fixture(scope="session")
def validator_in_javascript():
    return languages.javascript(_PROGRAMS / "javascript", "validate.mjs")


@pytest.fixture(scope="session")
def validator_in_go():
    return languages.go(_PROGRAMS / "go")
