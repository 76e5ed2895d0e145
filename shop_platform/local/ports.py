"""Find free loopback ports and say who holds a taken one."""

from __future__ import annotations

import socket
from collections.abc import Collection

from shop_platform.errors import ShopError

_ATTEMPTS = 50


def is_free(port: int) -> bool:
    """Tell whether 127.0.0.1:``port`` can be bound.

    Bound without SO_REUSEPORT on purpose: gRPC servers set it and would silently share a taken port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def first_free(preferred: int, *, taken: Collection[int] = ()) -> int:
    """Return ``preferred`` or the next free port above it that is not in ``taken``.

    Raises :class:`ShopError` when none of the next 50 is free.
    """
    for port in range(preferred, preferred + _ATTEMPTS):
        if port not in taken and is_free(port):
            return port
    raise ShopError(
        f"No free port between {preferred} and {preferred + _ATTEMPTS - 1} on 127.0.0.1",
        "End the programs that hold them (`ss -ltnp` names them).",
    )


def any_free() -> int:
    """Return a port the system says is free right now (for tests)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
