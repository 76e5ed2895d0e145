"""A stack whose first build ends badly, at a data test for example, stays up and says so; ``--exit`` ends with 1."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from shop_platform.errors import ShopError
from shop_platform.local import demo
from shop_platform.local.stack import Ports
from shop_platform.orchestration.launch import RunOutcome
from shop_platform.settings import Settings

_SENTENCE = "For every row of kpi_daily: 1 = 2. Broken by: date_day 2026-03-01."
_FAILED = RunOutcome("run1", "FAILURE", ("shop_dbt",), _SENTENCE)
_GOOD = RunOutcome("run1", "SUCCESS")


class _Children:
    """Notes which services would have been started."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, service: object) -> None:
        self.started.append(service.name)  # type: ignore[attr-defined]

    def wait_ready(self, name: str) -> None:
        assert name in {*self.started, "dagster-ingestion", "dagster-warehouse", "dagster-web"}


@pytest.mark.parametrize("exit_after", [False, True], ids=["until Ctrl-C", "--exit"])
@pytest.mark.parametrize(
    ("build", "said"),
    [(_GOOD, None), (_FAILED, _SENTENCE), (ShopError("Run run1 had not ended after 3600 s"), "had not ended")],
    ids=["succeeds", "fails", "does not end"],
)
def test_a_stack_whose_first_build_ends_badly_stays_up_and_serves(
    build: RunOutcome | ShopError,
    said: str | None,
    exit_after: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def wait(*_: object, **__: object) -> RunOutcome:
        if isinstance(build, ShopError):
            raise build
        return build

    watched: list[bool] = []
    monkeypatch.setattr(demo, "launch_job", lambda *_: "run1")
    monkeypatch.setattr(demo, "wait_for_run", wait)
    for step in ("_start_core", "_load_history"):
        monkeypatch.setattr(demo._Demo, step, lambda _: None)
    monkeypatch.setattr(demo._Demo, "_verify", lambda _: 0)
    monkeypatch.setattr(demo._Demo, "_watch", lambda *_: watched.append(True))
    options = demo.DemoOptions(days=0, orders_per_day=None, seed=1, rate=0, exit_after=exit_after)
    settings = Settings(data_dir=tmp_path)
    children = _Children()
    ports = Ports(**dict.fromkeys(Ports.__dataclass_fields__, 1))  # type: ignore[arg-type]
    steps = demo._Steps(Console(width=200))
    stack = demo._Demo(options, settings, ports, None, None, children, steps)  # type: ignore[arg-type]

    code = stack.run([])

    assert {"dagster-daemon", "dashboard", "refresher"} <= set(children.started)
    assert watched == ([] if exit_after else [True])
    assert code == (1 if said and exit_after else 0)
    told = capsys.readouterr().out
    assert (said or "✓ every asset and check") in told
    assert ("/runs/run1" in told) == (said is not None and not exit_after)
