"""A real Apache Kafka with a listener for each way of letting clients in, and the certificates that go with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from shop_platform.settings import Settings, load
from tests.events.producers_page import rights
from tests.kafka.certificates import Authority, Certificate, openssl_available
from tests.support.real_kafka import RealKafka, real_kafka_available, start_real_kafka
from tests.support.suites import require

PASSWORD = "pass-word of the user"
KEY_PASSWORD = "pass-word of the key"
# What the platform's user needs, as docs/kafka-security.md lists it.
RIGHTS = (
    (ResourceType.TOPIC, "shop.", ("CREATE", "DESCRIBE", "ALTER", "READ", "WRITE")),
    (ResourceType.GROUP, "shop-", ("READ",)),
)
RIGHTS_OF_A_PRODUCER = rights()
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True)
class Keys:
    """Certificates: the authority of the brokers, another one, and a client's of each."""

    authority: Authority
    stranger: Authority
    client: Certificate
    strange_client: Certificate


@dataclass(frozen=True)
class SecureKafka:
    """The broker and how the platform is told to reach each of its listeners."""

    kafka: RealKafka
    keys: Keys

    def variables(self, listener: str, **changes: Any) -> dict[str, Any]:
        """Return the settings that are right for `listener`, with `changes`; `None` leaves one out."""
        login = {"kafka_sasl_username": "shop", "kafka_sasl_password": PASSWORD}
        trust = {"kafka_ssl_ca": self.keys.authority.certificate}
        own = {
            "kafka_ssl_certificate": self.keys.client.certificate,
            "kafka_ssl_key": self.keys.client.key,
            "kafka_ssl_key_password": KEY_PASSWORD,
        }
        right: dict[str, dict[str, Any]] = {
            "SCRAM": {"kafka_security_protocol": "SASL_PLAINTEXT", **login},
            "MUTUAL": {"kafka_security_protocol": "SSL", **trust, **own},
        }
        chosen = right.get(listener, {"kafka_security_protocol": "SASL_SSL", **login, **trust})
        told = {"kafka_bootstrap": self.kafka.listeners[listener], **chosen, **changes}
        return {name: value for name, value in told.items() if value is not None}

    def settings(self, listener: str, base: Settings | None = None, **changes: Any) -> Settings:
        """Return settings for `listener`; everything that is not Kafka's comes from `base`."""
        told = load(**self.variables(listener, **changes))
        if base is None:
            return told
        kafka = {name: getattr(told, name) for name in type(told).model_fields if name.startswith("kafka_")}
        return base.model_copy(update={"ingest_linger_ms": 50, **kafka})


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Certificates, made once."""
    require("kafka", openssl_available())
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = Authority(folder / "authority", "the-shop"), Authority(folder / "stranger", "a-stranger")
    return Keys(authority, stranger, authority.issue("shop", password=KEY_PASSWORD), stranger.issue("shop"))


@pytest.fixture(scope="module")
def secure_broker(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """One broker for all tests of a file: it would hold its memory to the end of the session otherwise."""
    require("kafka", real_kafka_available())
    with start_real_kafka(
        tmp_path_factory.mktemp("secure-kafka"),
        _properties(keys),
        listeners={
            "SCRAM": "SASL_PLAINTEXT",
            "SCRAM_TLS": "SASL_SSL",
            "MUTUAL": "SSL",
            "OTHER_NAME": "SASL_SSL",
            "SENDS_AWAY": "SASL_SSL",
        },
        advertised={"SENDS_AWAY": "kafka.invalid"},
        scram_users=dict.fromkeys(("shop", "nobody", "onlooker", RIGHTS_OF_A_PRODUCER.principal), PASSWORD),
    ) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        rules = [rule for user in ("shop", "CN=shop") for rule in _rules(user, RIGHTS)]
        rules += _rules("onlooker", [(ResourceType.TOPIC, "shop.", ("DESCRIBE",))])
        producer = RIGHTS_OF_A_PRODUCER
        rules += _rules(
            producer.principal,
            [(ResourceType.TOPIC, topic, producer.operations) for topic in producer.topics],
            ResourcePatternType.LITERAL,
        )
        for future in admin.create_acls(rules).values():
            future.result(30)
        yield SecureKafka(kafka, keys)


@pytest.fixture
def secure_kafka(secure_broker: SecureKafka) -> Iterator[SecureKafka]:
    """The broker, without a topic."""
    yield secure_broker
    secure_broker.kafka.remove_topics()


def _properties(keys: Keys) -> dict[str, str]:
    broker = keys.authority.issue("broker", "IP:127.0.0.1")
    elsewhere = keys.authority.issue("elsewhere", "DNS:kafka.example.org")
    properties = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": _text(broker.store()),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": _text(keys.authority.certificate),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.other_name.ssl.keystore.type": "PEM",
        "listener.name.other_name.ssl.keystore.location": _text(elsewhere.store()),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Who comes through the listener without a login: the broker itself and the test's own admin client.
        "super.users": "User:ANONYMOUS",
    }
    for listener in ("scram", "scram_tls", "other_name", "sends_away"):
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            properties[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = _SCRAM
    return properties


def _rules(user: str, rights: Any, pattern: ResourcePatternType = ResourcePatternType.PREFIXED) -> list[AclBinding]:
    return [
        AclBinding(
            kind,
            name,
            pattern,
            f"User:{user}",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for kind, name, operations in rights
        for operation in operations
    ]


def _text(path: Path) -> str:
    return path.as_posix()
