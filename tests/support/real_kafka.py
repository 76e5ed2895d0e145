"""A real, single-node Apache Kafka (KRaft) as a child process, for the suites that compare with it.

Java and Maven are all it needs: the jars come from Maven's repositories once and stay in `build/kafka/`. Not a test.

    available, reason = real_kafka_available()
    with start_real_kafka(folder) as kafka:
        ... kafka.bootstrap ...
"""

import contextlib
import fcntl
import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

KAFKA_VERSION = "4.4.0"
_SLF4J_VERSION = "1.7.36"  # the one that Kafka brings
_CACHE = Path(__file__).resolve().parents[2] / "build" / "kafka"
_MAVEN_SECONDS = 300
_START_SECONDS = 60
_STOP_SECONDS = 20
_LEAST_JAVA = 17

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>real-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{_SLF4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
"""


class RealKafkaError(RuntimeError):
    """Apache Kafka could not be fetched or started; the message carries the end of the output."""


@dataclass(frozen=True)
class RealKafka:
    """A running broker: `bootstrap` is `host:port`, `log` the file with its output."""

    bootstrap: str
    log: Path


@cache
def real_kafka_available() -> tuple[bool, str]:
    """Whether a real Kafka can run here, and if not, why; fetches the jars the first time (about 45 MB)."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            return False, f"no `{tool}` on the PATH"
    version = _java_version()
    if version < _LEAST_JAVA:
        return False, f"Java {version} is too old, Kafka {KAFKA_VERSION} needs {_LEAST_JAVA}"
    try:
        _jars()
    except RealKafkaError as error:
        return False, str(error)
    return True, ""


def _java_version() -> int:
    output = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    digits = output.partition('"')[2].partition(".")[0]
    return int(digits) if digits.isdigit() else 0


def _jars() -> Path:
    """The folder with Kafka's jars; complete once its name is there, so that parallel test runs may share it."""
    jars = _CACHE / KAFKA_VERSION
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.exists():
            (_CACHE / "pom.xml").write_text(_POM)
            partial = _CACHE / f"{KAFKA_VERSION}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
            _run([*command, f"-DoutputDirectory={partial}"], _CACHE, _MAVEN_SECONDS)
            partial.rename(jars)
    return jars


def _run(command: list[str], folder: Path, timeout: float) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise RealKafkaError(f"`{command[0]}` did not end within {timeout:g} s") from None
    if done.returncode != 0:
        raise RealKafkaError(f"`{command[0]}` failed ({done.returncode}): {(done.stdout + done.stderr)[-2000:]}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def start_real_kafka(folder: Path, properties: dict[str, str] | None = None) -> Iterator[RealKafka]:
    """Run Kafka with its data in `folder` until the block ends.

    Args:
        folder: an empty folder; the caller removes it.
        properties: server settings on top of the small-test defaults.

    Raises:
        RealKafkaError: it did not come up; with the end of its output.
    """
    java = ["java", "-Xmx384m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{_jars()}/*"]
    broker, controller = _free_ports(2)
    settings = folder / "server.properties"
    text = _PROPERTIES.format(broker=broker, controller=controller, logs=folder / "logs")
    settings.write_text(text + "".join(f"{key}={value}\n" for key, value in (properties or {}).items()))
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    storage = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id, "-c", str(settings)]
    _run([*java, *storage], folder, _START_SECONDS)
    log = folder / "kafka.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*java, "kafka.Kafka", str(settings)], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    kafka = RealKafka(f"127.0.0.1:{broker}", log)
    try:
        _wait_until_ready(kafka, process)
        yield kafka
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(kafka: RealKafka, process: "subprocess.Popen[bytes]") -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(KafkaException):
            if admin.list_topics(timeout=1.0).brokers:
                return
    state = "is not ready" if process.poll() is None else f"ended with {process.returncode}"
    raise RealKafkaError(f"Kafka {KAFKA_VERSION} {state}\n{kafka.log.read_text(errors='replace')[-3000:]}")
