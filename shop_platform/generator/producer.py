"""Messages to Kafka, and every acknowledgement into the ledger."""

from __future__ import annotations

import time
from functools import partial
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Producer

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.generator.ledger import Ledger
from shop_platform.generator.message import Message
from shop_platform.kafka_connect import explain
from shop_platform.settings import Settings

_CONNECT_SECONDS = 15
_DELIVERY_SECONDS = 60
_LAST_SECONDS = 5
_POLL_EVERY = 200
CONTENT_TYPE = b"application/cloudevents+json"


class LedgeredProducer:
    """An idempotent producer whose acknowledgements go to a :class:`Ledger`. Use as a context manager; not thread-safe.

    lz4: the JSON of one topic shrinks to about a fifth, for a tenth of the processor time of the encoding itself, and
    broker, disk and consumers carry a fifth. The key decides the partition by murmur2, as Java's clients do.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._ledger = ledger
        self._bootstrap = settings.kafka_bootstrap
        self._settings = settings
        self.sent = 0
        self.acknowledged = 0
        self.failed = 0
        self._first_error = ""
        self._producer = Producer(
            settings.kafka_client(
                client_id="shop-generator",
                enable_idempotence=True,
                acks="all",
                linger_ms=20,
                compression_type="lz4",
                partitioner="murmur2_random",
                delivery_timeout_ms=_DELIVERY_SECONDS * 1000,
                queue_buffering_max_messages=50_000,
                log_level=0,
            )
        )
        self._require_topics()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # After an error nobody waits for a broker that may be gone: the next start reads what it took.
        self._producer.flush(_DELIVERY_SECONDS if error is None else _LAST_SECONDS)
        # Nothing may reach Kafka behind the back of the next run, when this object outlives its run in one process.
        self._producer.purge()
        self._producer.poll(0)
        self._ledger.flush()

    def _require_topics(self) -> None:
        try:
            there = self._producer.list_topics(timeout=_CONNECT_SECONDS).topics
        except KafkaException as error:
            raise explain(self._settings, error) from error
        missing = sorted(set(TOPIC_BY_NAME) - set(there))
        if missing:
            raise ShopError(f"Kafka has no topic {', '.join(missing)}", "Create the topics with `shop topics`.")

    def send(self, message: Message) -> None:
        """Queue one message; waits while the queue is full. Raises :class:`ShopError` once a delivery has failed."""
        while True:
            try:
                # Kafka's timestamp is left to the client: retention counts from it, and a history lies in the past.
                self._producer.produce(
                    message.topic,
                    value=message.value,
                    key=message.key,
                    headers=[
                        ("content-type", CONTENT_TYPE),
                        ("ce_id", message.event_id),
                        ("ce_time", message.event_time),
                    ],
                    on_delivery=partial(self._delivered, message),
                )
                break
            except BufferError:
                self._producer.poll(0.1)
                self._raise_failure()
            except KafkaException as error:
                raise ShopError(f"Kafka refused a message for {message.topic}: {error.args[0].str()}") from error
        self.sent += 1
        if self.sent % _POLL_EVERY == 0:
            self._producer.poll(0)
            self._raise_failure()

    def _delivered(self, message: Message, error: KafkaError | None, record: Any) -> None:
        if error is None:
            self.acknowledged += 1
            self._ledger.acknowledge(message, record.partition(), record.offset())
        else:
            self.failed += 1
            self._first_error = self._first_error or f"{message.topic}: {error.str()}"

    def flush(self) -> None:
        """Wait until Kafka has acknowledged everything. Raises :class:`ShopError` when it has not after a minute."""
        deadline = time.monotonic() + _DELIVERY_SECONDS + 5
        while self._producer.flush(1.0) and time.monotonic() < deadline:
            self._raise_failure()
        self._ledger.flush()
        self._raise_failure()
        if len(self._producer):
            raise self._error(f"{len(self._producer)} are still waiting")

    def poll(self, seconds: float = 0.0) -> None:
        """Serve delivery reports for up to ``seconds``."""
        self._producer.poll(seconds)
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self.failed:
            raise self._error(f"{self.failed} failed, the first with '{self._first_error}'")

    def _error(self, what: str) -> ShopError:
        return ShopError(
            f"Kafka at {self._bootstrap} acknowledged {self.acknowledged:,} of {self.sent:,} messages; {what}.",
            "Every acknowledged one is in the ledger; start the generator again to go on where it stopped.",
            exit_code=1,
        )
