"""Failed connections to Kafka as errors that a person can act on: what, where, what to do."""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException

from shop_platform.errors import ShopError
from shop_platform.settings import Settings

AWAY, HUNG_UP, REFUSED = range(3)

_PROBE_SECONDS = 3.0
_NOT_ALLOWED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
_WRONG_HOST = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_UNKNOWN_AUTHORITY = {18, 19, 20, 21}  # self-signed, self-signed in the chain, no issuer found
_UP = "Is the stack up (`shop up` or `make demo`), and does SHOP_KAFKA_BOOTSTRAP point at it?"
_ADVERTISED = "The brokers' advertised.listeners must hold addresses that this machine can reach."
_LISTENER = "Set SHOP_KAFKA_SECURITY_PROTOCOL to what this listener speaks: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
# Part of librdkafka's line, message, hint; the first that fits.
_CAUSES = (
    (
        "SASL authentication error",
        "Kafka at {place} refuses the login of {who} with {mechanism}",
        "Check SHOP_KAFKA_SASL_USERNAME and SHOP_KAFKA_SASL_PASSWORD; the cluster must know this user for this very"
        " SHOP_KAFKA_SASL_MECHANISM.",
    ),
    (
        "mechanism handshake failed",
        "Kafka at {place} offers no login with {mechanism}: {what}",
        "Set SHOP_KAFKA_SASL_MECHANISM to one that the broker supports, or SHOP_KAFKA_SECURITY_PROTOCOL to what this"
        " listener speaks.",
    ),
    (
        "alert",
        "Kafka at {place} refuses {certificate}: {what}",
        "Set SHOP_KAFKA_SSL_CERTIFICATE and SHOP_KAFKA_SSL_KEY to a pair signed by an authority the brokers trust.",
    ),
    (
        "Invalid response size|wrong version number",
        "What answers at {place} is no Kafka listener for {protocol}: {what}",
        _LISTENER,
    ),
    (
        "Disconnected|SSL handshake failed|Broken pipe",
        "Kafka at {place} closes the connection of a client that speaks {protocol}: {what}",
        _LISTENER,
    ),
)


@dataclass(frozen=True)
class Failure:
    """A connection that failed, and what librdkafka says of it."""

    host: str
    port: int
    what: str

    @property
    def weight(self) -> int:
        """How much it says: nobody there (perhaps another address is), hung up (perhaps a restart), refused."""
        if re.search("^Connect to|Failed to resolve", self.what):
            return AWAY
        return REFUSED if re.search("SASL|certificate|alert", self.what) else HUNG_UP


def forbids(error: KafkaError) -> bool:
    """Tell whether ``error`` is a missing right, which no waiting will mend."""
    return error.code() in _NOT_ALLOWED


def forbidden(settings: Settings, error: KafkaError) -> ShopError:
    """Return the error of a client that is let in, but may not do what it wants."""
    return ShopError(
        f"Kafka at {settings.kafka_bootstrap} does not allow {_who(settings)} to do this: {error.str()}",
        "Ask whoever runs the cluster for the rights in docs/kafka-security.md#rights.",
    )


def no_answer(settings: Settings, error: KafkaException) -> ShopError:
    """Return the error of a cluster that does not answer and gives no reason."""
    reason = error.args[0]
    text = reason.str() if isinstance(reason, KafkaError) else str(reason)
    return ShopError(f"Kafka at {settings.kafka_bootstrap} does not answer: {text}", _UP)


def sentence(settings: Settings, failure: Failure) -> ShopError:
    """Return the error behind ``failure``; a certificate that was not accepted is looked at once more."""
    if "certificate verify failed" in failure.what:
        return _certificate(settings, failure)
    place = f"{failure.host}:{failure.port}"
    advertised = place not in settings.kafka_bootstrap.replace(" ", "").split(",")
    known = {
        "place": f"{place} (the address that {settings.kafka_bootstrap} gave)" if advertised else place,
        "who": _who(settings),
        "certificate": "the certificate of this client"
        if settings.kafka_ssl_certificate
        else "a client without a certificate",
        "mechanism": settings.kafka_sasl_mechanism.value,
        "protocol": settings.kafka_security_protocol.value,
        "what": failure.what.rpartition("::")[2],
    }
    for pattern, message, hint in _CAUSES:
        if re.search(pattern, failure.what):
            return ShopError(message.format_map(known), hint)
    return ShopError("Kafka at {place} does not answer: {what}".format_map(known), _ADVERTISED if advertised else _UP)


def _certificate(settings: Settings, failure: Failure) -> ShopError:
    """Ask with Python's TLS, which tells an unknown authority from a wrong host name; librdkafka does not."""
    code, reason, place = 0, "certificate verify failed", f"{failure.host}:{failure.port}"
    try:
        with (
            socket.create_connection((failure.host, failure.port), _PROBE_SECONDS) as raw,
            settings.kafka_tls_context().wrap_socket(raw, server_hostname=failure.host),
        ):
            pass
    except ssl.SSLCertVerificationError as error:
        code, reason = error.verify_code, error.verify_message.rstrip(".")
    except (OSError, ValueError):
        pass
    if code in _WRONG_HOST:
        return ShopError(
            f"The certificate of Kafka at {place} is not made out to '{failure.host}': {reason}",
            "Use a name that the certificate carries, in SHOP_KAFKA_BOOTSTRAP and in the brokers' advertised.listeners,"
            " or give the brokers a certificate for this one.",
        )
    if code in _UNKNOWN_AUTHORITY:
        trusted = settings.kafka_ssl_ca or "the system's certificate authorities"
        return ShopError(
            f"The certificate of Kafka at {place} is not signed by {trusted}: {reason}",
            "Set SHOP_KAFKA_SSL_CA to the PEM file of the authority that signed the brokers' certificates.",
        )
    return ShopError(
        f"The certificate of Kafka at {place} is not valid: {reason}",
        f"Look at it: openssl s_client -connect {place} -showcerts",
    )


def _who(settings: Settings) -> str:
    if settings.kafka_security_protocol.login:
        return f"'{settings.kafka_sasl_username}'"
    return "this client's certificate" if settings.kafka_ssl_certificate else "a client without a login"
