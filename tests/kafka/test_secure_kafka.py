"""On real Apache Kafka with logins, TLS and ACLs: what is right lands everything, what is wrong says so and ends."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import uuid

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.ingest.topics import ensure_topics
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.kafka_connect import diagnose
from shop_platform.local.ports import any_free
from shop_platform.operations.reconcile import reconcile
from shop_platform.operations.status import collect
from shop_platform.settings import load
from tests.events import producers_page as page
from tests.kafka.conftest import PASSWORD, RIGHTS_OF_A_PRODUCER
from tests.support.events import LedgerProducer, page_view
from tests.support.samples import PYTHON, run

pytestmark = pytest.mark.kafka


def command(settings, *arguments):
    """Run `shop` as a person does, with the settings as its environment."""
    return subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", *arguments],
        env=os.environ | settings.process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("listener", "changes"),
    [
        ("SCRAM_TLS", {}),
        ("SCRAM_TLS", {"kafka_sasl_mechanism": "SCRAM-SHA-256"}),
        ("SCRAM", {}),
        ("MUTUAL", {}),
        ("OTHER_NAME", {"kafka_ssl_verify_hostname": False}),
    ],
    ids=["scram-512-tls", "scram-256-tls", "scram", "mutual-tls", "any-host-name"],
)
def test_with_the_documented_rights_everything_lands(secure_kafka, fresh_warehouse, listener, changes):
    settings = secure_kafka.settings(listener, fresh_warehouse.settings, **changes)

    assert set(ensure_topics(settings)) == {topic.name for topic in TOPICS}
    producer = LedgerProducer(settings)
    events = [page_view(n) for n in range(200)]
    producer.send(events + events[:20])
    producer.send_raw("shop.web", b"{", str(uuid.uuid4()))
    producer.flush()
    report = ingest_until_end(settings).by_subject["web"]

    assert (report.landed, report.duplicates, report.dead, report.lag) == (200, 20, 1, 0)
    assert reconcile(settings).holds
    assert collect(settings).lag == 0
    assert diagnose(settings) is None


def test_the_simulated_shop_and_the_command_line_log_in_as_well(secure_kafka, fresh_warehouse):
    settings = secure_kafka.settings("SCRAM_TLS", fresh_warehouse.settings)

    assert command(settings, "topics").returncode == 0
    history = command(settings, "generate", "history", "--days", "2", "--orders-per-day", "20")
    assert history.returncode == 0, history.stderr
    ingested = command(settings, "ingest", "--until-end", "--json")
    assert ingested.returncode == 0, ingested.stderr
    assert reconcile(settings).holds and reconcile(settings).produced > 100


REFUSED = {
    "wrong password": ("SCRAM_TLS", {"kafka_sasl_password": "another"}, r"refuses the login of 'shop' with SCRAM"),
    "unknown user": ("SCRAM", {"kafka_sasl_username": "who"}, r"refuses the login of 'who' with SCRAM-SHA-512"),
    "mechanism that the broker lacks": ("SCRAM_TLS", {"kafka_sasl_mechanism": "PLAIN"}, r"offers no login with PLAIN"),
    "unknown authority": ("SCRAM_TLS", {"kafka_ssl_ca": None}, r"is not signed by the system's"),
    "wrong host name": ("OTHER_NAME", {}, r"is not made out to '127\.0\.0\.1'"),
    "no certificate": (
        "MUTUAL",
        {"kafka_ssl_certificate": None, "kafka_ssl_key": None, "kafka_ssl_key_password": None},
        r"refuses a client without a certificate",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("listener", "changes", "said"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_one_clear_sentence_and_exit_code_2(secure_kafka, tmp_path, listener, changes, said):
    settings = secure_kafka.settings(listener, data_dir=tmp_path, **changes)

    done = command(settings, "topics")

    message, hint = done.stderr.splitlines()
    assert done.returncode == 2
    assert message.startswith("shop: ") and secure_kafka.kafka.listeners[listener] in message
    assert re.search(said, message), message
    assert "SHOP_KAFKA_" in hint


def test_a_certificate_of_a_stranger_is_refused_on_both_sides(secure_kafka):
    keys = secure_kafka.keys
    by_us = secure_kafka.settings("MUTUAL", kafka_ssl_ca=keys.stranger.certificate)
    by_the_broker = secure_kafka.settings(
        "MUTUAL",
        kafka_ssl_certificate=keys.strange_client.certificate,
        kafka_ssl_key=keys.strange_client.key,
        kafka_ssl_key_password=None,
    )

    assert f"is not signed by {keys.stranger.certificate}" in diagnose(by_us).message
    assert "refuses the certificate of this client" in diagnose(by_the_broker).message


@pytest.mark.parametrize("listener", ["SCRAM", "SCRAM_TLS", "MUTUAL"])
def test_a_client_that_speaks_another_protocol_is_told_so(secure_kafka, listener):
    told = diagnose(load(kafka_bootstrap=secure_kafka.kafka.listeners[listener]))

    assert "closes the connection of a client that speaks PLAINTEXT" in told.message
    assert "SHOP_KAFKA_SECURITY_PROTOCOL" in told.hint


def test_an_address_that_only_the_cluster_gives_is_named(secure_kafka):
    settings = secure_kafka.settings("SENDS_AWAY")

    told = diagnose(settings)

    assert re.search(r"kafka\.invalid:\d+ \(the address that 127\.0\.0\.1:\d+ gave\) does not answer", told.message)
    assert "advertised.listeners" in told.hint


def test_one_bootstrap_address_that_is_away_is_no_reason_to_give_up(secure_kafka):
    there = secure_kafka.kafka.listeners["SCRAM_TLS"]
    settings = secure_kafka.settings("SCRAM_TLS", kafka_bootstrap=f"127.0.0.1:{any_free()},{there}")

    assert len(ensure_topics(settings)) == len(TOPICS)


@pytest.mark.parametrize("arguments", [["ingest", "--until-end"], ["status", "--json"]], ids=lambda words: words[0])
def test_every_command_names_the_cause(secure_kafka, fresh_warehouse, arguments):
    settings = secure_kafka.settings("SCRAM_TLS", fresh_warehouse.settings, kafka_sasl_password="another")

    done = command(settings, *arguments)

    # `shop status` tells of everything that is away and exits with 1, as without Kafka.
    assert done.returncode == (1 if arguments[0] == "status" else 2)
    assert "refuses the login of 'shop' with SCRAM-SHA-512" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_says_why_it_is_not_let_in_and_tries_again(secure_kafka, fresh_warehouse):
    settings = secure_kafka.settings("SCRAM_TLS", fresh_warehouse.settings, kafka_sasl_password="another")
    with subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "ingest"],
        env=os.environ | settings.process_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as service:
        said = [service.stderr.readline(), service.stderr.readline()]
        service.terminate()
        said += service.stderr.read().splitlines()
        assert service.wait(60) == 0

    assert all("refuses the login of 'shop' with SCRAM-SHA-512" in line for line in said[:2]), said
    assert not [line for line in said if "Traceback" in line]


def test_a_user_without_rights_is_told_what_is_not_allowed(secure_kafka, fresh_warehouse):
    nobody = secure_kafka.settings("SCRAM_TLS", fresh_warehouse.settings, kafka_sasl_username="nobody")

    making = command(nobody, "topics")
    assert making.returncode == 2 and "could not be created: " in making.stderr

    ensure_topics(secure_kafka.settings("SCRAM_TLS"))
    reading = command(nobody, "ingest", "--until-end")
    assert reading.returncode == 2 and "does not allow 'nobody' to do this: Broker: Topic" in reading.stderr
    assert "Traceback" not in making.stderr + reading.stderr


def test_a_user_who_may_see_topics_but_not_read_them_is_told_so(secure_kafka, fresh_warehouse):
    settings = secure_kafka.settings("SCRAM_TLS", fresh_warehouse.settings)
    ensure_topics(settings)
    LedgerProducer(settings).send([page_view(1)])
    onlooker = secure_kafka.settings("SCRAM_TLS", fresh_warehouse.settings, kafka_sasl_username="onlooker")

    with pytest.raises(ShopError, match="does not allow 'onlooker' to do this"):
        ingest_until_end(onlooker, timeout_seconds=20)


def test_no_output_holds_a_password(secure_kafka, tmp_path):
    settings = secure_kafka.settings("SCRAM_TLS", data_dir=tmp_path, kafka_sasl_password="a-very-secret-word")

    done = command(settings, "topics")

    assert "a-very-secret-word" not in done.stdout + done.stderr + repr(settings)


@pytest.fixture
def producers_variables(secure_kafka, monkeypatch):
    """What the page has a shop's developer set, for the user who has the page's rights."""
    told = {
        "SHOP_KAFKA_BOOTSTRAP": secure_kafka.kafka.listeners["SCRAM_TLS"],
        "SHOP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "SHOP_KAFKA_SSL_CA": str(secure_kafka.keys.authority.certificate),
        "SHOP_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "SHOP_KAFKA_SASL_USERNAME": RIGHTS_OF_A_PRODUCER.principal,
        "SHOP_KAFKA_SASL_PASSWORD": PASSWORD,
    }
    for name, value in told.items():
        assert f"`{name}`" in page.text()
        monkeypatch.setenv(name, value)
    return told


def test_the_pages_client_sends_with_the_pages_rights_and_may_do_nothing_else(
    secure_kafka, fresh_warehouse, producers_variables, tmp_path
):
    settings = secure_kafka.settings("SCRAM_TLS", fresh_warehouse.settings)
    ensure_topics(settings)
    program = tmp_path / "client.py"
    program.write_text(page.block("python", "confluent_kafka"))
    producer = runpy.run_path(str(program))["producer"]
    outcomes = []

    def send(topic):
        message = page.message(page.blocks("text")[0])
        producer.produce(
            topic,
            page.blocks("json")[0],
            key=message.key,
            headers=message.headers,
            on_delivery=lambda error, _: outcomes.append(error.code() if error else None),
        )
        assert producer.flush(60) == 0
        return outcomes[-1]

    assert [send("shop.orders"), send("shop.orders")] == [None, None]
    assert send("shop.web") == KafkaError.TOPIC_AUTHORIZATION_FAILED
    report = ingest_until_end(settings).by_subject
    assert (report["orders"].landed, report["orders"].duplicates, report["web"].landed) == (1, 1, 0)

    login = {
        "bootstrap.servers": producers_variables["SHOP_KAFKA_BOOTSTRAP"],
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": producers_variables["SHOP_KAFKA_SSL_CA"],
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": RIGHTS_OF_A_PRODUCER.principal,
        "sasl.password": PASSWORD,
        "log_level": 0,
    }
    reader = Consumer(login | {"group.id": "acme", "auto.offset.reset": "earliest"})
    reader.assign([TopicPartition("shop.orders", partition, 0) for partition in range(6)])
    while (code := reader.poll(60).error().code()) == KafkaError.GROUP_AUTHORIZATION_FAILED:
        pass
    assert code == KafkaError.TOPIC_AUTHORIZATION_FAILED
    reader.close()
    admin = AdminClient(login)
    for future in admin.create_topics([NewTopic("shop.mine", 1)]).values():
        with pytest.raises(KafkaException) as refused:
            future.result(60)
        assert refused.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_the_samples_send_over_tls_with_a_login_and_the_pages_rights(
    secure_kafka, fresh_warehouse, producers_variables, producer_in_javascript, producer_in_go
):
    settings = secure_kafka.settings("SCRAM_TLS", fresh_warehouse.settings)
    ensure_topics(settings)
    for command in (PYTHON, producer_in_javascript, producer_in_go):
        sent = run(command, producers_variables)
        assert sent.returncode == 0, sent.stderr
        refused = run(command, producers_variables | {"SHOP_KAFKA_SASL_PASSWORD": "another"})
        assert refused.returncode == 1 and "acknowledged" not in refused.stdout, refused.stderr
    assert ingest_until_end(settings).by_subject["orders"].landed == 6
