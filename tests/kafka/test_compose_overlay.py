"""deploy/kafka-secure.compose.yml: compose accepts it, nothing is left open, and Kafka runs with what it says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from deploy.make_env import ROOT, filled
from shop_platform.events.registry import TOPICS
from shop_platform.ingest.topics import admin_client, ensure_topics
from shop_platform.kafka_connect import diagnose
from shop_platform.local.ports import any_free
from shop_platform.settings import load
from tests.kafka.certificates import openssl_available
from tests.support.compose import compose, compose_available
from tests.support.real_kafka import real_kafka_available, start_kafka_as_the_image_does
from tests.support.suites import require

FILES = ("-f", "docker-compose.yml", "-f", "deploy/kafka-secure.compose.yml")
PASSWORD = "made-for-this-test"
CLIENTS = {"topics", "ingest", "monitor", "generator", "dagster-ingestion", "dagster-warehouse"}


def resolve(folder, *, password=PASSWORD, arguments=("config", "--format", "json")):
    variables = folder / "env"
    example = filled((ROOT / ".env.example").read_text("utf-8"))
    variables.write_text(example + (f"SHOP_KAFKA_SASL_PASSWORD={password}\n" if password else ""), "utf-8")
    home = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return compose(["--env-file", str(variables), "--profile", "demo", *FILES, *arguments], cwd=ROOT, environment=home)


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """The services as compose resolves both files together."""
    require("compose", compose_available())
    answer = resolve(tmp_path_factory.mktemp("overlay"))
    assert (answer.returncode, answer.stderr) == (0, "")
    return json.loads(answer.stdout)["services"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """What deploy/kafka_certificates.sh makes."""
    require("kafka", openssl_available())
    folder = tmp_path_factory.mktemp("made") / "certificates"
    subprocess.run(["sh", ROOT / "deploy/kafka_certificates.sh", folder], check=True, capture_output=True)
    return folder


@pytest.mark.compose
def test_compose_wants_a_password(tmp_path):
    require("compose", compose_available())
    answer = resolve(tmp_path, password="", arguments=("config", "--quiet"))

    assert answer.returncode != 0 and "SHOP_KAFKA_SASL_PASSWORD" in answer.stderr


@pytest.mark.compose
def test_every_client_logs_in_and_trusts_the_authority(services):
    assert {name for name, s in services.items() if "SHOP_KAFKA_BOOTSTRAP" in s.get("environment", {})} == CLIENTS
    for name in CLIENTS:
        told = services[name]["environment"]
        assert (told["SHOP_KAFKA_SECURITY_PROTOCOL"], told["SHOP_KAFKA_SASL_PASSWORD"]) == ("SASL_SSL", PASSWORD)
        mounts = {m["target"]: (Path(m["source"]).name, m.get("read_only")) for m in services[name]["volumes"]}
        assert mounts[told["SHOP_KAFKA_SSL_CA"]] == ("ca.pem", True)
        assert "broker.pem" not in {source for source, _ in mounts.values()}


@pytest.mark.compose
def test_without_a_login_the_broker_is_reachable_from_within_its_container_only(services):
    told = services["kafka"]["environment"]
    protocols = dict(each.split(":") for each in told["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    listeners = dict(each.split("://") for each in told["KAFKA_LISTENERS"].split(","))

    assert protocols.keys() == listeners.keys()
    for name, address in listeners.items():
        assert protocols[name] == "SASL_SSL" or address.startswith("127.0.0.1:"), name


@pytest.mark.compose
def test_topics_are_made_once_the_user_is_there(services):
    job = services["kafka-user"]

    assert services["topics"]["depends_on"]["kafka-user"]["condition"] == "service_completed_successfully"
    assert job["network_mode"] == "service:kafka" and job["restart"] == "no"
    assert job["cap_drop"] == ["ALL"] and job["read_only"] and job["user"] == "appuser"
    assert job["environment"]["KAFKA_USER_PASSWORD"] == PASSWORD and PASSWORD not in json.dumps(job["command"])


@pytest.mark.kafka
def test_the_script_keeps_no_key_of_the_authority_and_replaces_nothing(certificates):
    before = {path.name: path.read_bytes() for path in certificates.iterdir()}
    again = subprocess.run(
        ["sh", ROOT / "deploy/kafka_certificates.sh", certificates], check=False, capture_output=True
    )

    assert again.returncode == 2
    assert before.keys() == {"ca.pem", "broker.pem"} and b"PRIVATE KEY" not in before["ca.pem"]
    assert {path.name: path.read_bytes() for path in certificates.iterdir()} == before
    assert (certificates / "broker.pem").stat().st_mode & 0o077 == 0


@pytest.mark.kafka
@pytest.mark.compose
def test_kafka_runs_with_these_variables_and_lets_in_who_has_the_password(services, certificates, tmp_path):
    """The image's own start (KafkaDockerWrapper) makes the settings; only ports, paths and one host name are ours."""
    require("kafka", real_kafka_available())
    ports = {name: str(any_free()) for name in ("9091", "9093", "9092", "29092", "59092")}
    ports["59092"] = ports["29092"]  # what the host publishes is this very listener
    told = {name: value for name, value in services["kafka"]["environment"].items() if name != "KAFKA_HEAP_OPTS"}
    for name in ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_CONTROLLER_QUORUM_VOTERS"):
        for inside, here in sorted(ports.items(), key=lambda pair: -len(pair[0])):
            told[name] = told[name].replace(f":{inside}", f":{here}")
        told[name] = told[name].replace("://:", "://127.0.0.1:").replace("//kafka:", "//localhost:")
    told |= {
        "KAFKA_LOG_DIRS": str(tmp_path / "logs"),
        "KAFKA_SSL_KEYSTORE_LOCATION": str(certificates / "broker.pem"),
    }
    client = {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_username": services["kafka-user"]["environment"]["KAFKA_USER"],
        "kafka_sasl_password": PASSWORD,
        "kafka_ssl_ca": certificates / "ca.pem",
    }
    with start_kafka_as_the_image_does(tmp_path, told, f"127.0.0.1:{ports['9091']}") as kafka:
        make_user(kafka.bootstrap, client["kafka_sasl_username"])
        for listener in ("9092", "29092"):
            bootstrap = f"localhost:{ports[listener]}"
            assert diagnose(load(kafka_bootstrap=bootstrap, **client)) is None
            wrong = diagnose(load(kafka_bootstrap=bootstrap, **(client | {"kafka_sasl_password": "another"})))
            assert "refuses the login" in wrong.message
            assert "closes the connection" in diagnose(load(kafka_bootstrap=bootstrap)).message
        settings = load(kafka_bootstrap=f"localhost:{ports['9092']}", **client)
        assert set(ensure_topics(settings)) == {topic.name for topic in TOPICS}


def make_user(bootstrap, name):
    """Do what the service `kafka-user` does; its tool is not among the jars here."""
    admin = admin_client(load(kafka_bootstrap=bootstrap))
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    change = UserScramCredentialUpsertion(name, credential, PASSWORD.encode(), os.urandom(16))
    for future in admin.alter_user_scram_credentials([change]).values():
        future.result(30)
