"""Stop before a broken topic is drained into the dead letters."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence

from shop_platform.events.words import in_words
from shop_platform.ingest.dead import DeadLetter
from shop_platform.ingest.halts import BURST
from shop_platform.ingest.offsets import Connection, Mismatch, accept_command
from shop_platform.ingest.write import Written

WINDOW_SECONDS = 300
# A person who accepted a burst does not want to be asked again for every few hundred messages of it.
ACCEPTED_SECONDS = 3600


class DeadLetterBurstError(Exception):
    """Too many of a topic's messages are dead letters; the batch that showed it was not committed."""

    def __init__(self, mismatch: Mismatch) -> None:
        super().__init__(mismatch.message)
        self.mismatch = mismatch


class BurstBreaker:
    """Watches the share of dead letters per topic over five minutes; raises from the transaction that is one too many.

    A burst is at least ``least`` dead letters that are at least ``share`` of the topic's messages; ``least`` 0: never.
    """

    def __init__(self, connection: Connection, *, least: int, share: float) -> None:
        self._least = least
        self._share = share
        self._window: dict[str, deque[tuple[float, int, int]]] = {}
        self._accepted_until: dict[str, float] = {}
        if least:
            self._remember(connection)
            self.renew(connection)

    def _remember(self, connection: Connection) -> None:
        """Take over what earlier processes saw: a supervisor's restarts must not drain the topic in slices."""
        for topic, age, messages, dead in connection.execute(
            "select topic, extract(epoch from clock_timestamp() - max(committed_at))::float8, sum(messages), sum(dead)"
            " from ops.ingest_batches where committed_at > now() - make_interval(secs => %s) group by topic",
            [WINDOW_SECONDS],
        ):
            self._window[topic] = deque([(time.monotonic() - age, int(messages), int(dead))])

    def renew(self, connection: Connection) -> None:
        """Look what a person has accepted since."""
        for topic, age in connection.execute(
            "select topic, extract(epoch from clock_timestamp() - max(resolved_at))::float8 from ops.ingest_halts"
            " where reason = %s and resolved_at > now() - make_interval(secs => %s) group by topic",
            [BURST, ACCEPTED_SECONDS],
        ):
            self._accepted_until[topic] = time.monotonic() + ACCEPTED_SECONDS - age

    def admit(self, written: Sequence[Written], letters: Sequence[DeadLetter]) -> None:
        """Count a batch that is about to be committed; raise :class:`DeadLetterBurstError` when it must not be.

        A batch that is refused is not counted: the same messages come again.
        """
        if not self._least:
            return
        now = time.monotonic()
        messages: Counter[str] = Counter()
        dead: Counter[str] = Counter()
        for done in written:
            messages[done.position.topic] += done.messages
            dead[done.position.topic] += done.dead
        for topic, count in messages.items():
            window = self._window.setdefault(topic, deque())
            while window and window[0][0] < now - WINDOW_SECONDS:
                window.popleft()
            if dead[topic] and now > self._accepted_until.get(topic, 0):
                self._judge(topic, count, dead[topic], [letter for letter in letters if letter.topic == topic])
        for topic, count in messages.items():
            self._window[topic].append((now, count, dead[topic]))

    def _judge(self, topic: str, messages: int, dead: int, letters: list[DeadLetter]) -> None:
        """Judge a batch of ``messages``, ``dead`` of them dead letters, with what the last minutes held."""
        messages += sum(count for _, count, _ in self._window[topic])
        dead += sum(count for _, _, count in self._window[topic])
        if dead < self._least or dead < self._share * messages:
            return
        error_class, _ = Counter(letter.error_class.value for letter in letters).most_common(1)[0]
        example = next(letter for letter in letters if letter.error_class.value == error_class)
        # A halt is shown to more people than a message, and outlives it.
        reason = in_words(example.error)
        raise DeadLetterBurstError(
            Mismatch(
                BURST,
                topic,
                None,
                f"{topic}: {dead} of the {messages} messages of the last {WINDOW_SECONDS // 60} minutes are no valid"
                f" events, most of them {error_class}: {reason} (partition {example.partition}, offset"
                f" {example.offset}). Reading of this topic stopped before it; Kafka keeps the rest",
                f"Mend the producer, or the contract if it is behind. {accept_command(topic)} lets dead letters of"
                f" this topic through for an hour; SHOP_INGEST_DEAD_LETTER_BURST=0 always.",
                {"messages": messages, "dead": dead, "error_class": error_class},
            )
        )
