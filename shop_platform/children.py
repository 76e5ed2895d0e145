"""Children that die with their parent."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(sig: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """Return a ``preexec_fn`` that makes the kernel send ``sig`` when the parent is gone (Linux; else ``None``).

    Without it a ``kill -9`` of ``shop demo`` would leave a database, a broker and three web servers behind.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def preexec() -> None:
        # A background job of a non-interactive shell inherits an ignored SIGINT, and servers then ignore it too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        libc.prctl(_PR_SET_PDEATHSIG, sig)

    return preexec
