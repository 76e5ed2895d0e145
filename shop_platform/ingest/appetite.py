"""How many messages a batch waits for: few while the service keeps up, ever more while there is a backlog (pure)."""

from __future__ import annotations

# Where so many come before a batch's time is over, there are enough to be worth a transaction.
_FEW = 500


class Appetite:
    """The next batch's size, from how the last one filled up.

    A batch ends with its time or with its size. To wait for the time costs latency where thousands of messages a second
    come; small batches cost throughput where a backlog waits. So a batch that was full in half of its time makes the
    next one twice as large, up to ``most`` messages, and one that was not full in time half as large.
    """

    def __init__(self, most: int, linger_seconds: float) -> None:
        self._most, self._few = most, min(_FEW, most)
        self._linger = linger_seconds
        self.messages = self._few

    def fed(self, messages: int, seconds: float) -> None:
        """Take note of a batch of so many messages that came in so many seconds."""
        if messages < self.messages:
            self.messages = max(self.messages // 2, self._few)
        elif self.messages > self._few or seconds < self._linger / 2:
            self.messages = min(self.messages * 2, self._most)
