"""Kafka Connect in standalone mode with one sink connector, started through its REST interface."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from bench.peers.running import PeerFailedError, Running, cpu_seconds, peer_process
from shop_platform.local.patience import Patience, work_of
from shop_platform.local.ports import Claims, any_free
from shop_platform.local.processes import listeners, tree
from shop_platform.settings import Settings

# The heap that Kafka's own start script gives a Connect worker.
_JAVA = ("java", "-Xms256M", "-Xmx2G")
# A sink's batches cannot be larger than what one poll brings.
_WORKER = """\
bootstrap.servers={bootstrap}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.file.filename={folder}/offsets
plugin.path={plugins}
listeners=http://127.0.0.1:{port}
consumer.auto.offset.reset=earliest
consumer.max.poll.records=3000
"""


@contextlib.contextmanager
def connect_peer(
    jars: Path, plugins: Path, connector: Mapping[str, str], settings: Settings, folder: Path
) -> Iterator[Running]:
    """Run a worker and give it ``connector``; the clock starts with that request, when the JVM is up already.

    Raises :class:`PeerFailedError` when the worker does not come up or refuses the connector.
    """
    claims = Claims()
    port, name = any_free(claims.take), f"sink-{uuid.uuid4().hex[:8]}"
    properties = folder / "worker.properties"
    properties.write_text(_WORKER.format(bootstrap=settings.kafka_bootstrap, folder=folder, plugins=plugins, port=port))
    command = [*_JAVA, "-cp", f"{jars}/*", "org.apache.kafka.connect.cli.ConnectStandalone", str(properties)]
    with (
        peer_process(command, folder) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as rest,
    ):
        running = Running(process, folder / "stdout", 0.0, 0.0, lambda: _failure(rest, name))
        patience = Patience(work_of(process.pid))
        # Whoever else answers on that port is not this worker.
        while not (_answers(rest) and listeners(port) & tree(process.pid)):
            if process.poll() is not None or patience.spent():
                raise PeerFailedError(f"Kafka Connect did not come up (exit {process.poll()})\n{running.tail()}")
            time.sleep(0.1)
        claims.close()
        running.started_at, running.cpu_before = time.time(), cpu_seconds(process.pid) or 0.0
        answer = rest.post("/connectors", json={"name": name, "config": dict(connector)})
        if answer.status_code != httpx.codes.CREATED:
            raise PeerFailedError(f"Kafka Connect refused the connector: {answer.text[:500]}")
        yield running


def _answers(rest: httpx.Client) -> bool:
    try:
        return rest.get("/connectors").is_success
    except httpx.TransportError:
        return False


def _failure(rest: httpx.Client, name: str) -> str | None:
    """Return the last cause in the trace of a failed task: the worker itself lives on."""
    try:
        answer = rest.get(f"/connectors/{name}/status")
    except httpx.TransportError as error:
        return str(error)
    if not answer.is_success:
        return None  # a connector has no status before its first task has one
    document = answer.json()
    for each in (document["connector"], *document["tasks"]):
        if each["state"] == "FAILED":
            causes = [line for line in each["trace"].splitlines() if line.startswith("Caused by")]
            return str((causes or [each["trace"]])[-1])[:500]
    return None
