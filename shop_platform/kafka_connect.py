"""Reach Kafka, or say why not: librdkafka tells a caller only that nothing answered, the reason is in its log."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from shop_platform.errors import ShopError
from shop_platform.kafka_errors import AWAY, REFUSED, Failure, forbidden, forbids, no_answer, sentence
from shop_platform.settings import Settings

Answer = TypeVar("Answer")

_INFO = 6  # librdkafka's log levels are those of syslog; at this one it tells of every failed connection
_LISTEN_SECONDS = 5.0
_PATIENCE_SECONDS = 1.0
_FIRST_SECONDS = 0.5
_SETTLING_PAUSE_SECONDS = 0.1
# librdkafka's "FAIL" lines: [thrd:...]: [sasl_ssl://]host:port/(bootstrap|<broker id>): what happened
_FAILED = re.compile(r"\[thrd:[^ ]*\]: (?:\w+://)?(?P<host>[^\s/]+):(?P<port>\d+)/(?:bootstrap|\d+): (?P<what>.*)")
# Just after a topic was made or a broker restarted: each is over in a moment.
_SETTLING = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
}


def connected_admin(settings: Settings, seconds: float) -> AdminClient:
    """Return an AdminClient that has reached a broker. Keep the reference, its futures die with it.

    Raises :class:`ShopError` with the cause: about a second after a broker has refused this client (nobody waits for a
    password to become right), after ``seconds`` when none answers.
    """
    return _connect(settings, seconds, _Log(), least_weight=REFUSED)


def patiently(ask: Callable[[], Answer], seconds: float) -> Answer:
    """Return what ``ask`` returns, asking again for up to ``seconds`` while a partition has no leader yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING or time.monotonic() > deadline:
                raise
            time.sleep(_SETTLING_PAUSE_SECONDS)


def explain(settings: Settings, error: KafkaException) -> ShopError:
    """Return what a person should know of ``error``: what, where, what to do.

    Connects to the cluster once more, for some seconds, unless ``error`` says enough by itself.
    """
    reason = error.args[0]
    if isinstance(reason, KafkaError) and forbids(reason):
        return forbidden(settings, reason)
    return diagnose(settings) or no_answer(settings, error)


def diagnose(settings: Settings) -> ShopError | None:
    """Connect to every broker as the platform's clients do; return why that fails, ``None`` when it does not."""
    log = _Log()
    try:
        admin = _connect(settings, _LISTEN_SECONDS, log, least_weight=AWAY)
    except ShopError as refusal:
        return refusal
    # Every broker is asked for its groups: an address that only the cluster advertises may be the wrong one.
    groups = admin.list_consumer_groups(request_timeout=_LISTEN_SECONDS)
    deadline = time.monotonic() + _LISTEN_SECONDS
    while not (groups.done() or log.settled(AWAY)) and time.monotonic() < deadline:
        admin.poll(0.1)
    if groups.done() and groups.exception() is None and not groups.result().errors:
        return None
    return sentence(settings, log.best) if log.best else None


def _connect(settings: Settings, seconds: float, log: _Log, *, least_weight: int) -> AdminClient:
    admin = AdminClient(settings.kafka_client(logger=log.logger, log_level=_INFO))
    deadline = time.monotonic() + seconds
    patience = _FIRST_SECONDS
    while True:
        try:
            admin.list_topics(timeout=patience)
        except KafkaException as error:
            admin.poll(0)
            if log.settled(least_weight) or time.monotonic() > deadline:
                raise (sentence(settings, log.best) if log.best else no_answer(settings, error)) from error
            # A slow cluster needs longer, a refusal is known soon.
            patience = max(min(patience * 2, deadline - time.monotonic()), _FIRST_SECONDS)
        else:
            return admin


class _Log(logging.Handler):
    """Listens to one client's log and keeps the weightiest of its failed connections."""

    def __init__(self) -> None:
        super().__init__()
        self.best: Failure | None = None
        self._first_at = 0.0
        self.logger = logging.Logger("kafka-connection")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        found = _FAILED.search(record.getMessage())
        if not found:
            return
        failure = Failure(found["host"].strip("[]"), int(found["port"]), found["what"].partition(" (after ")[0])
        self._first_at = self._first_at or time.monotonic()
        if self.best is None or failure.weight > self.best.weight:
            self.best = failure

    def settled(self, least_weight: int) -> bool:
        """Whether one as weighty was heard and every other address had its time to answer."""
        waited = time.monotonic() - self._first_at
        return self.best is not None and self.best.weight >= least_weight and waited > _PATIENCE_SECONDS
