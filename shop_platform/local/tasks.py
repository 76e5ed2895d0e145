"""Run a child that prints its progress as JSON lines and ends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shop_platform.children import die_with_parent
from shop_platform.errors import ShopError

Progress = Callable[[int, int], None]


def run_task(name: str, argv: Sequence[str], environment: Mapping[str, str], log_dir: Path, progress: Progress) -> None:
    """Run ``argv`` to its end, passing on every ``{"done": n, "total": m}`` line that it prints.

    A process of its own, so that what it needed of memory goes with it. Raises :class:`ShopError` with its last words
    when it fails; it is ended when this call is interrupted.
    """
    log_dir.mkdir(parents=True, exist_ok=True)
    log_path = log_dir / f"{name}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            list(argv),
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl and signal are called
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            try:
                step = json.loads(line)
                progress(int(step["done"]), int(step["total"]))
            except (ValueError, KeyError, TypeError):
                continue
        code = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    if code != 0:
        tail = "\n".join(
            f"    {line}" for line in log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        )
        raise ShopError(f"'{name}' failed with code {code}:\n{tail}", f"Its log: {log_path}", exit_code=1)
