"""The suites that need more than the package index: which ran, which could not, and when that is a failure."""

from __future__ import annotations

import os

import pytest

SUITES = {
    "kafka": "real Apache Kafka (Java, Maven)",
    "browser": "a real browser (Chromium)",
    "airflow": "a real Airflow",
    "compose": "docker compose",
    "mount": "the right to mount (root)",
    "clocks": "a clock to turn (C compiler)",
    "languages": "other languages (Node.js, Go)",
}


def required() -> set[str]:
    """Return the suites that must run here (SHOP_TEST_REQUIRE=kafka,browser,airflow,compose,mount,clocks,languages)."""
    names = {name.strip() for name in os.environ.get("SHOP_TEST_REQUIRE", "").split(",") if name.strip()}
    unknown = names - SUITES.keys()
    if unknown:
        raise pytest.UsageError(
            f"SHOP_TEST_REQUIRE names unknown suites: {', '.join(sorted(unknown))}. There are {', '.join(SUITES)}."
        )
    return names


def require(name: str, available: tuple[bool, str]) -> None:
    """Skip the calling test with the reason when suite ``name`` cannot run, or fail it when it must."""
    able, reason = available
    if able:
        return
    if name in required():
        pytest.fail(f"suite '{name}' is required (SHOP_TEST_REQUIRE) and cannot run: {reason}", pytrace=False)
    pytest.skip(reason)


class SuiteSummary:
    """Pytest plugin: says at the end which of the suites ran; a required one that did not is a failure.

    It knows tests from their reports only: when several processes share them, it sees no test itself.
    """

    def __init__(self) -> None:
        self._ran: dict[str, int] = dict.fromkeys(SUITES, 0)
        self._collected: dict[str, int] = dict.fromkeys(SUITES, 0)
        self._skipped: dict[str, set[str]] = {name: set() for name in SUITES}
        self._absent: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count what ran and why the rest did not."""
        for name in SUITES:
            if name not in dict(report.user_properties).get("suites", ()):
                continue
            if report.when == "setup":
                self._collected[name] += 1
            if report.when == "call" and not report.skipped:
                self._ran[name] += 1
            elif report.skipped:
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
                self._skipped[name].add(reason.removeprefix("Skipped: "))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run in which a required suite ran no test; a shard need not have one of each."""
        self._absent = set() if session.config.option.collectonly else {n for n in required() if not self._ran[n]}
        if session.config.getoption("shard"):
            self._absent = {name for name in self._absent if self._collected[name]}
        if self._absent and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write one line per suite."""
        if not any(self._collected.values()) and not self._absent:
            return
        terminalreporter.section("suites with needs of their own")
        for name, need in SUITES.items():
            if not self._collected[name] and name not in self._absent:
                continue
            skipped = "; ".join(sorted(self._skipped[name]))
            if self._ran[name] and not skipped:
                verdict = f"ran ({self._ran[name]} tests)"
            elif self._ran[name]:
                verdict = f"ran in part ({self._ran[name]} of {self._collected[name]} tests): {skipped}"
            else:
                verdict = f"DID NOT RUN: {skipped or 'nothing was selected'}"
            terminalreporter.write_line(f"{name:<8} {need:<32} {verdict}")
