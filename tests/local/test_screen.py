"""What a person sees of a long job."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from shop_platform.local import screen


def test_a_long_job_shows_how_much_is_done_how_fast_and_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=120)
    monkeypatch.setattr(screen, "Console", lambda **_: terminal)
    with screen.progress_bar("catching up") as progress:
        for done in range(0, 5_000, 1_000):
            progress(done, 100_000)
            time.sleep(0.15)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert re.search(r"catching up .*/100000 +[\d,]+/s +0:\d\d:\d\d", text), text


def test_what_is_no_terminal_gets_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress_bar("catching up") as progress:
        progress(1, 2)
    assert capsys.readouterr().err == ""
