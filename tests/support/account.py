"""The account of a run: the slowest files, and what each lane cost in seconds of a worker."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support import durations
from tests.support.lanes import MEANING

_SHOWN = 20
LIVE = "SHOP_TEST_ACCOUNT"
"""A file that always holds the account so far, for whoever has to end the run."""


class Account:
    """Pytest plugin of the one process that hears of every test; it knows tests from their reports only."""

    def __init__(self) -> None:
        self._files: Counter[str] = Counter()
        self._lanes: Counter[str] = Counter()
        self._tests: dict[str, set[str]] = {}
        self._began = time.monotonic()
        self._live = os.environ.get(LIVE)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what one phase of a test took, with the fixtures that it was the first to need."""
        file = report.nodeid.partition("::")[0]
        lane = dict(report.user_properties).get("lane", "?")
        self._files[file] += report.duration
        self._lanes[lane] += report.duration
        self._tests.setdefault(lane, set()).add(report.nodeid)
        if self._live and report.when == "teardown":
            Path(self._live).write_text("\n".join(self.lines()) + "\n")

    def lines(self) -> list[str]:
        """Return the tables."""
        whole = sum(self._files.values())
        lines = [f"{'seconds':>8}  the slowest {_SHOWN} of {len(self._files)} files"]
        lines += [f"{seconds:8.1f}  {file}" for file, seconds in self._files.most_common(_SHOWN)]
        lines += ["", f"{'seconds':>8}  {'share':>5} {'tests':>6}  lane"]
        for lane, seconds in self._lanes.most_common():
            tests = len(self._tests[lane])
            lines.append(f"{seconds:8.1f}  {seconds / whole:5.0%} {tests:6}  {lane}: {MEANING.get(lane, '?')}")
        lines.append(f"{whole:8.1f}  of workers, in {time.monotonic() - self._began:.0f} seconds of the clock")
        return lines

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
    ) -> None:
        """Write the tables after a run that took a while, and remember one that was whole."""
        if not self._files:
            return
        if sum(self._files.values()) > 60:
            terminalreporter.section("what it cost")
            for line in self.lines():
                terminalreporter.write_line(line)
        chosen = config.option.keyword or config.option.markexpr or config.option.maxfail or config.getoption("shard")
        ended = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        if ended and not chosen and config.args == config.getini("testpaths"):
            durations.keep(self._files)
