"""The Kafka part of the settings: where it is, how it is encrypted, who logs in."""

from __future__ import annotations

import ssl
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings


class SecurityProtocol(StrEnum):
    """How a listener of the cluster speaks; anything else is a fatal configuration error."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def encrypted(self) -> bool:
        """Whether the connection is TLS."""
        return self in {SecurityProtocol.SSL, SecurityProtocol.SASL_SSL}

    @property
    def login(self) -> bool:
        """Whether the client gives a name and a password."""
        return self in {SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL}


class SaslMechanism(StrEnum):
    """How the password is proven. SCRAM never sends it; PLAIN does."""

    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    PLAIN = "PLAIN"


# For a broker that is known to need none of it, whatever the environment says of another one.
UNSECURED: dict[str, Any] = {
    "kafka_security_protocol": SecurityProtocol.PLAINTEXT,
    "kafka_sasl_username": "",
    "kafka_sasl_password": "",
    "kafka_ssl_ca": None,
    "kafka_ssl_certificate": None,
    "kafka_ssl_key": None,
    "kafka_ssl_key_password": "",
}


class KafkaSettings(BaseSettings):
    """Every ``SHOP_KAFKA_*`` variable, and the client configuration they make."""

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_replication_factor: int = 1
    kafka_security_protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    kafka_sasl_mechanism: SaslMechanism = SaslMechanism.SCRAM_SHA_512
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    # PEM files. Without a CA the system's own certificates decide.
    kafka_ssl_ca: Path | None = None
    kafka_ssl_certificate: Path | None = None
    kafka_ssl_key: Path | None = None
    kafka_ssl_key_password: SecretStr = SecretStr("")
    kafka_ssl_verify_hostname: bool = True

    @field_validator("kafka_ssl_ca", "kafka_ssl_certificate", "kafka_ssl_key", mode="before")
    @classmethod
    def _empty_is_not_given(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("kafka_ssl_ca", "kafka_ssl_certificate", "kafka_ssl_key")
    @classmethod
    def _existing_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}")
        # A child process may run in another folder.
        return None if value is None else value.resolve()

    @model_validator(mode="after")
    def _kafka_security_fits_together(self) -> KafkaSettings:
        problems = self._login_problems() + self._certificate_problems()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def kafka_weaknesses(self) -> list[str]:
        """Return what may be done in development only, one sentence each; empty when all is well."""
        found = []
        if self.kafka_security_protocol.encrypted and not self.kafka_ssl_verify_hostname:
            found.append("SHOP_KAFKA_SSL_VERIFY_HOSTNAME must be true: without it any certificate of the CA will do")
        if (
            self.kafka_security_protocol is SecurityProtocol.SASL_PLAINTEXT
            and self.kafka_sasl_mechanism is SaslMechanism.PLAIN
        ):
            found.append(
                "SHOP_KAFKA_SASL_MECHANISM PLAIN over SASL_PLAINTEXT sends the password in clear; use SCRAM-SHA-512, or"
                " SASL_SSL"
            )
        return found

    def kafka_client(self, **extra: Any) -> dict[str, Any]:
        """Return the librdkafka configuration every client starts from, with ``extra`` keys (``.`` as ``_``)."""
        base: dict[str, Any] = {
            "bootstrap.servers": self.kafka_bootstrap,
            "security.protocol": self.kafka_security_protocol.value,
        }
        if self.kafka_security_protocol.login:
            base |= {
                "sasl.mechanism": self.kafka_sasl_mechanism.value,
                "sasl.username": self.kafka_sasl_username,
                "sasl.password": self.kafka_sasl_password.get_secret_value(),
            }
        if self.kafka_security_protocol.encrypted:
            files = {
                "ssl.ca.location": self.kafka_ssl_ca,
                "ssl.certificate.location": self.kafka_ssl_certificate,
                "ssl.key.location": self.kafka_ssl_key,
            }
            base |= {key: str(path) for key, path in files.items() if path is not None}
            base["ssl.endpoint.identification.algorithm"] = "https" if self.kafka_ssl_verify_hostname else "none"
            if password := self.kafka_ssl_key_password.get_secret_value():
                base["ssl.key.password"] = password
        # librdkafka's one property with an underscore in its name
        return base | {k if k == "log_level" else k.replace("_", "."): value for k, value in extra.items()}

    def kafka_tls_context(self) -> ssl.SSLContext:
        """Return the same trust and certificate for Python's own TLS.

        Raises :class:`ValueError` with the variable whose file is of no use: librdkafka would tell much later, and no
        variable.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.kafka_ssl_verify_hostname
        if self.kafka_ssl_ca is None:
            context.load_default_certs()
        else:
            _trust(context, "SHOP_KAFKA_SSL_CA", self.kafka_ssl_ca)
        if self.kafka_ssl_certificate is not None and self.kafka_ssl_key is not None:
            _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "SHOP_KAFKA_SSL_CERTIFICATE", self.kafka_ssl_certificate)
            _load_key(context, self.kafka_ssl_certificate, self.kafka_ssl_key, self.kafka_ssl_key_password)
        return context

    def _login_problems(self) -> list[str]:
        protocol = self.kafka_security_protocol
        given = {
            "SHOP_KAFKA_SASL_USERNAME": bool(self.kafka_sasl_username),
            "SHOP_KAFKA_SASL_PASSWORD": bool(self.kafka_sasl_password.get_secret_value()),
        }
        if protocol.login:
            return [f"{name} is missing: {protocol} needs it" for name, there in given.items() if not there]
        return [
            f"{name} is given, but SHOP_KAFKA_SECURITY_PROTOCOL is {protocol}, which has no login; set it to SASL_SSL"
            for name, there in given.items()
            if there
        ]

    def _certificate_problems(self) -> list[str]:
        protocol = self.kafka_security_protocol
        given = {
            "SHOP_KAFKA_SSL_CA": self.kafka_ssl_ca is not None,
            "SHOP_KAFKA_SSL_CERTIFICATE": self.kafka_ssl_certificate is not None,
            "SHOP_KAFKA_SSL_KEY": self.kafka_ssl_key is not None,
            "SHOP_KAFKA_SSL_KEY_PASSWORD": bool(self.kafka_ssl_key_password.get_secret_value()),
        }
        if not protocol.encrypted:
            return [
                f"{name} is given, but SHOP_KAFKA_SECURITY_PROTOCOL is {protocol}, which encrypts nothing; set it to"
                f" {'SASL_SSL' if protocol.login else 'SSL'}"
                for name, there in given.items()
                if there
            ]
        if given["SHOP_KAFKA_SSL_CERTIFICATE"] != given["SHOP_KAFKA_SSL_KEY"]:
            absent, there = ("KEY", "CERTIFICATE") if given["SHOP_KAFKA_SSL_CERTIFICATE"] else ("CERTIFICATE", "KEY")
            return [f"SHOP_KAFKA_SSL_{absent} is missing: SHOP_KAFKA_SSL_{there} is of no use without it"]
        if given["SHOP_KAFKA_SSL_KEY_PASSWORD"] and not given["SHOP_KAFKA_SSL_KEY"]:
            return ["SHOP_KAFKA_SSL_KEY is missing: SHOP_KAFKA_SSL_KEY_PASSWORD is of no use without it"]
        try:
            self.kafka_tls_context()
        except ValueError as error:
            return [str(error)]
        return []


def _trust(context: ssl.SSLContext, variable: str, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"{variable}: {path} holds no certificate in PEM form") from error
    except OSError as error:
        raise ValueError(f"{variable}: {path} cannot be read: {error.strerror}") from error


def _load_key(context: ssl.SSLContext, certificate: Path, key: Path, password: SecretStr) -> None:
    asked = []

    def answer() -> str:
        # Without a function OpenSSL would ask on the terminal.
        asked.append(True)
        return password.get_secret_value()

    try:
        context.load_cert_chain(certificate, key, answer)
    except ssl.SSLError as error:
        if asked:
            raise ValueError(f"SHOP_KAFKA_SSL_KEY_PASSWORD does not open the key in {key}") from error
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"SHOP_KAFKA_SSL_KEY: {key} is not the key of the certificate {certificate}") from error
        raise ValueError(f"SHOP_KAFKA_SSL_KEY: {key} holds no private key in PEM form") from error
    except OSError as error:
        raise ValueError(f"SHOP_KAFKA_SSL_KEY: {key} cannot be read: {error.strerror}") from error
