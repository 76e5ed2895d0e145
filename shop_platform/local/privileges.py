"""Start PostgreSQL never as root."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from shop_platform.errors import ShopError

_NOBODY = 65534


def unprivileged_owner() -> tuple[int, int] | None:
    """Return the (uid, gid) PostgreSQL runs as when this process is root; ``None`` for an ordinary user."""
    if os.geteuid() != 0:
        return None
    owner = Path(__file__).stat()
    return (owner.st_uid, owner.st_gid) if owner.st_uid else (_NOBODY, _NOBODY)


def drop_root(argv: list[str], *, sig: signal.Signals = signal.SIGINT) -> list[str]:
    """Return ``argv`` so that it runs as :func:`unprivileged_owner`; unchanged for an ordinary user.

    The read-and-search capability stays, so that the repository may lie below a folder only root may enter. Raises
    :class:`ShopError` when ``setpriv`` is missing.
    """
    owner = unprivileged_owner()
    if owner is None:
        return argv
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ShopError(
            "PostgreSQL refuses to run as root and 'setpriv' (package util-linux) is not there to leave root with",
            "Run the same command as an ordinary user, or install util-linux.",
        )
    uid, gid = owner
    return [
        setpriv,
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
        f"--pdeathsig={sig.name.removeprefix('SIG')}",
        "--",
        *argv,
    ]


def give_to_owner(path: Path) -> None:
    """Make ``path`` (a folder that exists) belong to :func:`unprivileged_owner`."""
    owner = unprivileged_owner()
    if owner is not None:
        os.chown(path, *owner)
