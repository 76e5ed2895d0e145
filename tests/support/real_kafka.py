"""A real, single-node Apache Kafka (KRaft) as a child process, for the suites that compare with it.

Java and Maven are all it needs: the jars come from Maven's repositories once and stay in `build/kafka/`. Not a test.

    available, reason = real_kafka_available()
    with start_real_kafka(folder) as kafka:
        ... kafka.bootstrap ...
    with start_real_kafka(folder, {"ssl.keystore.location": ...}, listeners={"LOGIN": "SASL_SSL"}) as kafka:
        ... kafka.listeners["LOGIN"] ...
"""

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shop_platform.children import die_with_parent
from shop_platform.local.patience import Patience, work_of
from shop_platform.local.processes import listeners, tree

KAFKA_VERSION = "4.4.0"
_SLF4J_VERSION = "1.7.36"  # the one that Kafka brings
_CACHE = Path(__file__).resolve().parents[2] / "build" / "kafka"
_MAVEN_SECONDS = 300
_START_SECONDS = 600
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
listeners={listeners}
advertised.listeners={advertised}
controller.quorum.bootstrap.servers={controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols}
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
    """A running broker: `bootstrap` is `host:port` without encryption or login, `log` the file with its output.

    `listeners` holds `host:port` of each further listener by its name.
    """

    bootstrap: str
    log: Path
    listeners: Mapping[str, str] = field(default_factory=dict)

    def remove_topics(self) -> None:
        """Delete every topic of clients and wait until their logs are closed, not only their names forgotten.

        A topic of the same name that is made in between can have its first messages acknowledged by the old one's log,
        and lose them with it: clients name topics, and the broker learns of a new one before it ends the old one.
        """
        remove_topics(self.bootstrap)
        deadline = time.monotonic() + _START_SECONDS
        while open_logs := [
            path.name
            for path in (self.log.parent / "logs").iterdir()
            if path.is_dir() and not path.name.startswith("__") and not path.name.endswith("-delete")
        ]:
            if time.monotonic() > deadline:
                raise RealKafkaError(f"logs are still open: {', '.join(open_logs)}")
            time.sleep(0.02)


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


def _run(command: list[str], folder: Path, timeout: float, environment: Mapping[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
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
def start_real_kafka(
    folder: Path,
    properties: Mapping[str, str] | None = None,
    *,
    listeners: Mapping[str, str] | None = None,
    advertised: Mapping[str, str] | None = None,
    scram_users: Mapping[str, str] | None = None,
) -> Iterator[RealKafka]:
    """Run Kafka with its data in `folder` until the block ends.

    Args:
        folder: an empty folder; the caller removes it.
        properties: server settings on top of the small-test defaults.
        listeners: the security protocol of each further listener by its name, beside the PLAINTEXT one.
        advertised: the host under which a listener sends clients on, by its name; 127.0.0.1 otherwise.
        scram_users: the password of each user by name; both SCRAM mechanisms know them.

    Raises:
        RealKafkaError: it did not come up; with the end of its output.
    """
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **(listeners or {})}
    addresses = {name: f"127.0.0.1:{port}" for name, port in zip(protocols, _free_ports(len(protocols)), strict=True)}
    settings = folder / "server.properties"
    text = _PROPERTIES.format(
        listeners=",".join(f"{name}://{address}" for name, address in addresses.items()),
        advertised=",".join(
            f"{name}://{address.replace('127.0.0.1', (advertised or {}).get(name, '127.0.0.1'))}"
            for name, address in addresses.items()
        ),
        protocols=",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        controller=addresses["CONTROLLER"],
        logs=folder / "logs",
    )
    settings.write_text(text + "".join(f"{key}={value}\n" for key, value in (properties or {}).items()))
    # One in 64 begins with a dash: `--cluster-id=` keeps it from being read as an option.
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    storage = ["kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster_id}", "-c", str(settings)]
    for name, password in (scram_users or {}).items():
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            storage += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
    _run([*_java(), *storage], folder, _START_SECONDS)
    further = {name: addresses[name] for name in listeners or {}}
    with _running(settings, RealKafka(addresses["PLAINTEXT"], folder / "kafka.log", further)) as kafka:
        yield kafka


@contextlib.contextmanager
def start_kafka_as_the_image_does(folder: Path, environment: Mapping[str, str], bootstrap: str) -> Iterator[RealKafka]:
    """Run Kafka with its data in `folder` as the image apache/kafka does: settings come from KAFKA_* variables.

    Args:
        folder: an empty folder; the caller removes it.
        environment: the container's variables; paths and ports must be ones of this machine.
        bootstrap: `host:port` of a listener without encryption or login.

    Raises:
        RealKafkaError: it did not come up; with the end of its output.
    """
    setup = ["kafka.docker.KafkaDockerWrapper", "setup"]
    for kind in ("default", "mounted", "final"):
        (folder / kind).mkdir()
        setup += [f"--{kind}-configs-dir", str(folder / kind)]
    settings = folder / "final" / "server.properties"
    settings.touch()
    _run([*_java(), *setup], folder, _START_SECONDS, os.environ | environment)
    with _running(settings, RealKafka(bootstrap, folder / "kafka.log")) as kafka:
        yield kafka


def _java() -> list[str]:
    return ["java", "-Xmx384m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{_jars()}/*"]


@contextlib.contextmanager
def _running(settings: Path, kafka: RealKafka) -> Iterator[RealKafka]:
    with kafka.log.open("wb") as output:
        process = subprocess.Popen(
            [*_java(), "kafka.Kafka", str(settings)],
            cwd=kafka.log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl and signal are called
        )
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
    """Wait until this very process answers: another one may have come first to its port."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    port = int(kafka.bootstrap.rpartition(":")[2])
    patience = Patience(work_of(process.pid))
    while process.poll() is None and not patience.spent():
        with contextlib.suppress(KafkaException):
            if admin.list_topics(timeout=1.0).brokers and tree(process.pid) & listeners(port):
                return
    state = "is not ready" if process.poll() is None else f"ended with {process.returncode}"
    raise RealKafkaError(f"Kafka {KAFKA_VERSION} {state}\n{kafka.log.read_text(errors='replace')[-3000:]}")


def remove_topics(bootstrap: str) -> None:
    """Delete every topic of clients and wait until the cluster has forgotten them, so that a test finds none."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    deadline = time.monotonic() + _START_SECONDS
    while names := [name for name in admin.list_topics(timeout=_STOP_SECONDS).topics if not name.startswith("__")]:
        if time.monotonic() > deadline:
            raise RealKafkaError(f"still there: {', '.join(names)}")
        for future in admin.delete_topics(names, operation_timeout=_STOP_SECONDS).values():
            with contextlib.suppress(KafkaException):  # gone in the meantime
                future.result(_STOP_SECONDS)
