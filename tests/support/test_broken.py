"""A platform for which a test waited in vain is not waited for again."""

from __future__ import annotations

import os
import subprocess
import sys

from shop_platform.settings import PROJECT_ROOT

_HOOKS = """
import pytest
from tests.support.broken import pytest_runtest_makereport, pytest_runtest_setup, why_broken

@pytest.fixture(scope="package")
def standing(request):
    yield
    print("known at the end:", why_broken(request.session))
"""
_TESTS = """
from tests.support.waiting import eventually

def test_1_is_wrong(standing): assert 1 == 2
def test_2_is_told(standing): pass
def test_3_waits(standing): eventually(lambda: [], "the daemon", still_seconds=0)
def test_4_would_wait_too(standing): print("\\nbegan")
def test_5_needs_none(): pass
"""


def test_what_needs_a_broken_platform_fails_at_once_with_the_reason_and_nothing_else_does(tmp_path):
    (tmp_path / "conftest.py").write_text(_HOOKS)
    (tmp_path / "test_five.py").write_text(_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-rA", "-p", "no:randomly", "-c", os.devnull, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout
    assert "2 failed, 2 passed, 1 error" in said, said
    assert "began" not in said.splitlines()
    assert "broken since test_five.py::test_3_waits: waited 0 s in vain for: the daemon" in said
    assert "known at the end: test_five.py::test_3_waits" in said
