"""A wrong combination of Kafka's security settings is named before anything connects."""

from __future__ import annotations

import re

import pytest

from shop_platform.errors import ShopError
from shop_platform.settings import PROJECT_ROOT, Role, load
from tests.kafka.conftest import KEY_PASSWORD

STRONG = {f"pg_{role.value}_password": f"a-long-random-{role.value}" for role in Role}
LOGIN = {"kafka_sasl_username": "shop", "kafka_sasl_password": "secret-word"}
PROD = {"env": "prod", "allow_simulated_data": False, **STRONG}


def test_an_unknown_protocol_is_fatal_and_the_known_ones_are_named():
    with pytest.raises(ShopError, match=r"SHOP_KAFKA_SECURITY_PROTOCOL: .*'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or"):
        load(kafka_security_protocol="TLS")


def test_an_unknown_mechanism_is_fatal_and_the_known_ones_are_named():
    with pytest.raises(ShopError, match=r"SHOP_KAFKA_SASL_MECHANISM: .*'SCRAM-SHA-256', 'SCRAM-SHA-512' or 'PLAIN'"):
        load(kafka_security_protocol="SASL_SSL", kafka_sasl_mechanism="GSSAPI", **LOGIN)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "SHOP_KAFKA_SASL_USERNAME is missing: SASL_SSL"),
        (
            {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "shop"},
            "SHOP_KAFKA_SASL_PASSWORD is missing: SASL_SSL",
        ),
        ({"kafka_sasl_username": "shop"}, "SHOP_KAFKA_SASL_USERNAME is given, but SHOP_KAFKA_SECURITY_PROTOCOL is"),
        ({"kafka_sasl_password": "word"}, "SHOP_KAFKA_SASL_PASSWORD is given, but SHOP_KAFKA_SECURITY_PROTOCOL is"),
        ({"kafka_security_protocol": "SSL", **LOGIN}, "which has no login; set it to SASL_SSL"),
        ({"kafka_ssl_ca": __file__}, "SHOP_KAFKA_SSL_CA is given, but SHOP_KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        (
            {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ssl_ca": __file__, **LOGIN},
            "encrypts nothing; set it to SASL_SSL",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_certificate": __file__},
            "SHOP_KAFKA_SSL_KEY is missing: SHOP_KAFKA_SSL_CERTIFICATE is of no use without it",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_key": __file__},
            "SHOP_KAFKA_SSL_CERTIFICATE is missing: SHOP_KAFKA_SSL_KEY is of no use without it",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_key_password": "word"},
            "SHOP_KAFKA_SSL_KEY is missing: SHOP_KAFKA_SSL_KEY_PASSWORD is of no use without it",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_ca": "/nowhere/ca.pem"},
            "SHOP_KAFKA_SSL_CA: Value error, there is no file /nowhere/ca.pem",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_ca": __file__},
            f"SHOP_KAFKA_SSL_CA: {__file__} holds no certificate in PEM form",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_does_not_fit_together_is_named(told, said):
    with pytest.raises(ShopError, match=re.escape(said)) as caught:
        load(**told)
    assert "secret-word" not in str(caught.value)


@pytest.mark.kafka
def test_files_that_do_not_fit_together_are_named(keys):
    mutual = {
        "kafka_security_protocol": "SSL",
        "kafka_ssl_ca": keys.authority.certificate,
        "kafka_ssl_certificate": keys.client.certificate,
        "kafka_ssl_key": keys.client.key,
        "kafka_ssl_key_password": KEY_PASSWORD,
    }
    assert load(**mutual).kafka_client()["ssl.key.location"] == str(keys.client.key)
    locked = f"SHOP_KAFKA_SSL_KEY_PASSWORD does not open the key in {keys.client.key}"
    strange = keys.strange_client.key
    for changes, said in (
        ({"kafka_ssl_key_password": "another"}, locked),
        ({"kafka_ssl_key_password": ""}, locked),
        ({"kafka_ssl_key": strange}, f"SHOP_KAFKA_SSL_KEY: {strange} is not the key of the certificate"),
        ({"kafka_ssl_key": keys.client.certificate}, "holds no private key in PEM form"),
        ({"kafka_ssl_certificate": strange}, f"SHOP_KAFKA_SSL_CERTIFICATE: {strange} holds no certificate in PEM form"),
    ):
        with pytest.raises(ShopError, match=re.escape(said)):
            load(**(mutual | changes))


def test_a_login_and_tls_reach_the_client_and_the_host_name_is_verified():
    client = load(kafka_security_protocol="SASL_SSL", **LOGIN).kafka_client(group_id="g", log_level=3)

    assert client == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "shop",
        "sasl.password": "secret-word",
        "ssl.endpoint.identification.algorithm": "https",
        "group.id": "g",
        "log_level": 3,
    }


def test_without_security_the_client_is_told_nothing_of_it():
    assert load().kafka_client() == {"bootstrap.servers": "127.0.0.1:9092", "security.protocol": "PLAINTEXT"}


def test_a_private_network_without_encryption_stays_possible_in_prod():
    assert load(**PROD).kafka_security_protocol == "PLAINTEXT"
    assert load(**PROD, kafka_security_protocol="SASL_PLAINTEXT", **LOGIN).kafka_sasl_mechanism == "SCRAM-SHA-512"


@pytest.mark.parametrize("env", ["staging", "prod"])
@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            {"kafka_security_protocol": "SASL_SSL", "kafka_ssl_verify_hostname": False},
            "SHOP_KAFKA_SSL_VERIFY_HOSTNAME must be true",
        ),
        (
            {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN"},
            "SHOP_KAFKA_SASL_MECHANISM PLAIN over SASL_PLAINTEXT sends the password in clear",
        ),
    ],
    ids=["host name", "clear password"],
)
def test_what_is_weak_is_possible_in_development_only(env, told, said):
    load(**told, **LOGIN)
    with pytest.raises(ShopError, match=f"{env} refuses a weak connection to Kafka: {said}"):
        load(**(PROD | {"env": env}), **told, **LOGIN)


def test_an_empty_variable_is_one_that_was_not_given(monkeypatch):
    """Compose gives every variable to the service, empty when `.env` does not set it."""
    for name in ("SASL_USERNAME", "SASL_PASSWORD", "SSL_CA", "SSL_CERTIFICATE", "SSL_KEY", "SSL_KEY_PASSWORD"):
        monkeypatch.setenv(f"SHOP_KAFKA_{name}", "")
    assert load().kafka_client() == {"bootstrap.servers": "127.0.0.1:9092", "security.protocol": "PLAINTEXT"}


@pytest.mark.kafka
def test_a_child_in_another_folder_reaches_kafka_with_the_same_files_and_secrets(keys, monkeypatch, tmp_path):
    monkeypatch.chdir(keys.authority.certificate.parent)
    settings = load(kafka_security_protocol="SASL_SSL", kafka_ssl_ca=keys.authority.certificate.name, **LOGIN)
    monkeypatch.chdir(tmp_path)
    for name, value in settings.process_environment().items():
        monkeypatch.setenv(name, value)

    assert load() == settings
    assert load().kafka_client()["ssl.ca.location"] == str(keys.authority.certificate)


def test_outside_of_development_a_child_is_given_only_the_secrets_that_this_process_was_given():
    without = load(env="staging", pg_ingest_password="a-long-random-one").process_environment()
    given = load(env="staging", kafka_security_protocol="SASL_SSL", **LOGIN).process_environment()

    assert not {name for name in without if name.startswith("SHOP_KAFKA_") and name.endswith("PASSWORD")}
    assert {name for name in given if name.endswith("PASSWORD")} == {"SHOP_KAFKA_SASL_PASSWORD"}


def test_passwords_do_not_show_in_a_printed_settings_object():
    told = load(kafka_security_protocol="SASL_SSL", **LOGIN)

    assert "secret-word" not in repr(told) + str(told) + told.model_dump_json()


def test_every_client_of_the_platform_is_made_from_these_settings():
    sources = [
        path for folder in ("shop_platform", "dashboard", "deploy") for path in (PROJECT_ROOT / folder).rglob("*.py")
    ]
    makes = re.compile(r"\b(?:Producer|Consumer|AdminClient)\((?!\s*settings\.kafka_client\()")

    assert [path.name for path in sources if '"bootstrap.servers"' in path.read_text()] == ["kafka_security.py"]
    assert [path.name for path in sources if makes.search(path.read_text())] == []
