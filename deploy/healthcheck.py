"""Tell Docker whether a service does its work: ``python -m deploy.healthcheck <check> [address]``.

A process that is up but useless is unhealthy: the Dagster daemon is judged by the signs of life it leaves in the
database, not by its process.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

import psycopg

from shop_platform.errors import ShopError

_TIMEOUT_SECONDS = 5


def http(address: str) -> bool:
    """Tell whether ``address`` answers with success."""
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - our own address
            return bool(answer.status < 400)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def grpc(address: str) -> bool:
    """Tell whether the Dagster code server at ``address`` (host:port) serves its definitions."""
    import grpc as library  # type: ignore[import-untyped]
    from grpc_health.v1.health_pb2 import (  # type: ignore[import-untyped]
        HealthCheckRequest,
        HealthCheckResponse,
    )
    from grpc_health.v1.health_pb2_grpc import HealthStub  # type: ignore[import-untyped]

    try:
        with library.insecure_channel(address) as channel:
            answer = HealthStub(channel).Check(HealthCheckRequest(service="DagsterApi"), timeout=_TIMEOUT_SECONDS)
    except library.RpcError:
        return False
    return bool(answer.status == HealthCheckResponse.SERVING)


def daemon(_address: str) -> bool:
    """Tell whether every part of the Dagster daemon has written its heartbeat lately."""
    from shop_platform.orchestration.heartbeats import silent_daemons
    from shop_platform.settings import load

    return not silent_daemons(load())


def refresher(_address: str) -> bool:
    """Tell whether a refresher has shown a sign of life in the warehouse lately."""
    from shop_platform.refresh.attempts import alive
    from shop_platform.settings import load

    return alive(load())


def monitor(_address: str) -> bool:
    """Tell whether the monitor has looked at the platform lately; while PostgreSQL is away nobody can say."""
    from shop_platform.monitoring.store import looked_lately
    from shop_platform.settings import load

    return looked_lately(load())


_CHECKS: dict[str, Callable[[str], bool]] = {
    "http": http,
    "grpc": grpc,
    "daemon": daemon,
    "refresher": refresher,
    "monitor": monitor,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when the service works, 1 when it does not, 2 when the question makes no sense."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in _CHECKS or (given[0] in {"http", "grpc"} and len(given) != 2):
        sys.stderr.write(f"usage: python -m deploy.healthcheck {'|'.join(_CHECKS)} [address]\n")
        return 2
    try:
        healthy = _CHECKS[given[0]](given[1] if len(given) > 1 else "")
    except (ShopError, psycopg.Error) as error:
        sys.stderr.write(f"{' '.join(given)}: {error}\n")
        return 1
    if not healthy:
        sys.stderr.write(f"{' '.join(given)}: no sign of life\n")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
