"""Run dbt as a child of this process that dies with it: a dbt without its lock holder must not go on writing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arrange to be told when the parent dies (Linux), then be dbt."""
    if sys.platform.startswith("linux"):
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("The process that started dbt is gone.")
    from dbt.cli.main import cli

    cli()


if __name__ == "__main__":
    main()
