"""When the broker does not start, it says why and what to do; when it ends, it ends cleanly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from broker_clients import PATIENCE, Client, wait_until
from confluent_kafka import KafkaError, KafkaException

from shop_platform.local.broker.process import BrokerProcess, BrokerStartError, start_broker_process

pytestmark = pytest.mark.usefixtures("own_servers")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shop_platform.local.broker", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_production_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    data = tmp_path / "data"
    refused(run("--data", str(data), "--port", "0", SHOP_ENV="prod"), "SHOP_ENV=prod", "real Kafka")
    assert not data.exists()


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_other_environments_are_not(tmp_path: Path, environment: str) -> None:
    with start_broker_process(tmp_path / "data", environment={**os.environ, "SHOP_ENV": environment}) as broker:
        assert broker.port


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(run("--data", str(tmp_path / "data"), "--port", port), f"127.0.0.1:{port}", "--port")


@pytest.mark.parametrize("port", ["-1", "70000"])
def test_an_impossible_port_is_refused(tmp_path: Path, port: str) -> None:
    refused(run("--data", str(tmp_path / "data"), f"--port={port}"), port)


def test_a_second_broker_on_the_same_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with start_broker_process(tmp_path / "data") as first, Client(first.bootstrap) as client:
        refused(run("--data", str(tmp_path / "data"), "--port", "0"), f"process {first.pid}", str(tmp_path / "data"))
        client.produce(client.create(), [{"value": b"still here"}])


def test_the_lock_of_a_killed_broker_does_not_hold(tmp_path: Path) -> None:
    start_broker_process(tmp_path / "data").kill()
    with start_broker_process(tmp_path / "data") as broker:
        assert broker.popen.poll() is None


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    refused(run("--data", str(tmp_path), "--port", "0"), "thesis.txt", "not a broker's folder")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}', '{"format": 1, "topics": {"t": {}}}'])
def test_a_damaged_catalog_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "meta.json").write_text(content)
    refused(run("--data", str(tmp_path), "--port", "0"), "meta.json")
    assert (tmp_path / "meta.json").read_text() == content


def test_damaged_offsets_are_refused_by_name(tmp_path: Path) -> None:
    start_broker_process(tmp_path / "data").stop()
    (tmp_path / "data" / "offsets.db").write_bytes(b"no database" * 1000)
    for left in ("offsets.db-wal", "offsets.db-shm"):
        (tmp_path / "data" / left).unlink(missing_ok=True)
    refused(run("--data", str(tmp_path / "data"), "--port", "0"), "offsets.db")


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(run("--data", str(tmp_path / "file"), "--port", "0"), str(tmp_path / "file"))


def test_the_helper_passes_the_reason_on(tmp_path: Path) -> None:
    with (
        start_broker_process(tmp_path / "data"),
        pytest.raises(BrokerStartError, match=r"exit code 2\n.*another broker"),
    ):
        start_broker_process(tmp_path / "data")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_while_clients_are_waiting(tmp_path: Path, number: signal.Signals) -> None:
    broker = start_broker_process(tmp_path / "data")
    with Client(broker.bootstrap) as client:
        topic = client.create()
        consumer = client.consumer(**{"fetch.wait.max.ms": 60_000, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        consumer.poll(0.5)
        broker.popen.send_signal(number)
        assert broker.popen.wait(PATIENCE) == 0
        assert broker.stop() == 0
    log = broker.log_path.read_text()
    assert "stopped" in log
    assert "Traceback" not in log
    assert "Fatal" not in log


_PARENT = """
import sys
from pathlib import Path
from shop_platform.local.broker.process import start_broker_process
print(start_broker_process(Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""


def test_a_broker_does_not_outlive_the_process_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path / "data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert int(parent.stdout.readline()) > 0
    parent.kill()
    parent.communicate()

    def restarted() -> BrokerProcess | None:
        try:
            return start_broker_process(tmp_path / "data")
        except BrokerStartError:
            return None

    wait_until(restarted, "the folder is free again").stop()


def test_transactions_are_refused_at_once(embedded: Client) -> None:
    producer = embedded.producer(**{"transactional.id": "t"})
    with pytest.raises(KafkaException) as excinfo:
        producer.init_transactions(PATIENCE)
    error: KafkaError = excinfo.value.args[0]
    assert not error.retriable()
    assert error.code() in {
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError._FATAL,
        KafkaError._UNSUPPORTED_FEATURE,
    }


@pytest.mark.parametrize(
    "config", [{"cleanup.policy": "compact"}, {"message.timestamp.type": "LogAppendTime"}, {"compression.type": "lz4"}]
)
def test_a_setting_that_would_not_be_kept_is_refused(embedded: Client, config: dict[str, str]) -> None:
    with pytest.raises(KafkaException) as excinfo:
        embedded.create(config=config)
    assert excinfo.value.args[0].code() == KafkaError.INVALID_CONFIG
    assert "development broker" in excinfo.value.args[0].str()


def test_topics_are_created_on_first_use_only_if_asked_for(tmp_path: Path) -> None:
    arguments = ["--auto-create-partitions", "3"]
    with start_broker_process(tmp_path / "data", arguments=arguments) as broker, Client(broker.bootstrap) as client:
        client.produce("new", [{"value": b"x"}])
        assert client.partitions("new") == 3
