"""Find free loopback ports and say who holds a taken one."""

from __future__ import annotations

import itertools
import os
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache

from shop_platform.errors import ShopError

RANGE_VARIABLE = "SHOP_LOCAL_PORTS"
"""``20000-20249``: the ports of this machine's embedded stack, so that two stacks do not meet."""

_ATTEMPTS = 50
# The first ports of a range belong to the services that have a place of their own.
_SERVICES = 30


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


def first_free(
    preferred: int, *, taken: Collection[int] = (), claim: Callable[[int], bool] = lambda _port: True
) -> int:
    """Return ``preferred`` or the next free port above it that is not in ``taken`` and that ``claim`` gets.

    Raises :class:`ShopError` when none of the next 50 is free.
    """
    for port in range(preferred, preferred + _ATTEMPTS):
        if port not in taken and is_free(port) and claim(port):
            return port
    raise ShopError(
        f"No free port between {preferred} and {preferred + _ATTEMPTS - 1} on 127.0.0.1",
        "End the programs that hold them (`ss -ltnp` names them).",
    )


class Claims:
    """Ports that this process means to use, from before their services listen until it ends.

    A code server of Dagster's listens many seconds after its port was chosen; another stack that starts meanwhile finds
    the port free, and both would then listen on it. A claim is a socket in Linux's abstract namespace, which belongs to
    the same network as the port and goes with its process. Elsewhere every claim is granted.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def take(self, port: int) -> bool:
        """Claim ``port``; return whether no other process has claimed it."""
        if port in self._held or not sys.platform.startswith("linux"):
            return True
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0shop-platform-port-{port}")
        except OSError:
            claim.close()
            return False
        self._held[port] = claim
        return True

    def close(self) -> None:
        """Give every port back."""
        for claim in self._held.values():
            claim.close()
        self._held.clear()


def any_free(claim: Callable[[int], bool] = lambda _port: True) -> int:
    """Return a port that is free right now: the next one of SHOP_LOCAL_PORTS, or one that the system chooses.

    ``claim`` gets it or has it passed over (:class:`Claims`): without one, whoever asks before it is bound is given it
    too. One that the system chose may be given to an outgoing connection before it is bound; one of a range is not.
    """
    ports = port_range()
    candidates = _chosen_by_the_system() if ports is None else itertools.islice(_rotation(ports), len(ports))
    for port in candidates:
        if is_free(port) and claim(port):
            return port
    where = f"of {RANGE_VARIABLE}={os.environ[RANGE_VARIABLE]} " if ports else ""
    raise ShopError(f"No port {where}is free", "Give it more of them." if ports else "End programs that hold ports.")


def _chosen_by_the_system() -> Iterator[int]:
    for _ in range(_ATTEMPTS):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        yield port


def preferred(defaults: Mapping[str, int], *, place: int = 0) -> dict[str, int]:
    """Return the ports that services should have: their own ``defaults``, or those of SHOP_LOCAL_PORTS from ``place``.

    Two groups of services that run side by side take places that do not overlap.
    """
    ports = port_range()
    if ports is None:
        return dict(defaults)
    return dict(zip(defaults, ports[place:], strict=False))


def port_range() -> range | None:
    """Return SHOP_LOCAL_PORTS, if it is set; raise :class:`ShopError` when it is no range, or too small a one."""
    text = os.environ.get(RANGE_VARIABLE, "")
    if not text:
        return None
    first, _, last = text.partition("-")
    numbers = first.isdecimal() and last.isdecimal()
    if not numbers or not 1024 <= int(first) <= int(last) - 2 * _SERVICES or int(last) > 65_535:
        raise ShopError(
            f"{RANGE_VARIABLE}={text!r} is not a range of at least {2 * _SERVICES} ports", "Write it as 20000-20249."
        )
    return range(int(first), int(last) + 1)


@cache
def _rotation(ports: range) -> Iterator[int]:
    """Return every port of the range in turn, for ever: what was given last is asked for again last.

    Where it begins differs by process: a child should not choose what its parent is about to bind.
    """
    given = ports[_SERVICES:]
    return itertools.islice(itertools.cycle(given), os.getpid() % len(given), None)
