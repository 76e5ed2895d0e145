"""What a partition remembers of each idempotent producer: enough to drop a resent batch and to spot a lost one."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from kio.schema.errors import ErrorCode

from .batch import BatchHeader
from .errors import BrokerError

REMEMBERED_BATCHES = 5  # what max.in.flight allows an idempotent producer
REMEMBERED_PRODUCERS = 2_000
_SEQUENCES = 2**31


@dataclass(slots=True)
class _Producer:
    epoch: int
    # (first sequence, last sequence, base offset, next offset), oldest first
    batches: list[tuple[int, int, int, int]] = field(default_factory=list)


def _last_sequence(header: BatchHeader) -> int:
    return (header.base_sequence + header.last_offset_delta) % _SEQUENCES


class ProducerTable:
    """Producer id -> epoch and the last five batches; the least recently used producers are forgotten."""

    def __init__(self) -> None:
        self._producers: OrderedDict[int, _Producer] = OrderedDict()

    def duplicate_of(self, header: BatchHeader) -> tuple[int, int] | None:
        """`(base_offset, next_offset)` of the stored batch that this one repeats, or None when it is the next one.

        Raises:
            BrokerError: INVALID_PRODUCER_EPOCH for a fenced producer, OUT_OF_ORDER_SEQUENCE_NUMBER for a gap.
        """
        known = self._producers.get(header.producer_id)
        if header.producer_id < 0 or known is None:
            return None
        if header.producer_epoch < known.epoch:
            raise BrokerError(ErrorCode.invalid_producer_epoch, f"epoch {header.producer_epoch} < {known.epoch}")
        if header.producer_epoch > known.epoch:
            expected = 0
        else:
            wanted = (header.base_sequence, _last_sequence(header))
            for first, last, base_offset, next_offset in known.batches:
                if (first, last) == wanted:
                    return base_offset, next_offset
            expected = (known.batches[-1][1] + 1) % _SEQUENCES
        if header.base_sequence != expected:
            raise BrokerError(
                ErrorCode.out_of_order_sequence_number,
                f"producer {header.producer_id}: sequence {header.base_sequence}, expected {expected}",
            )
        return None

    def stored(self, header: BatchHeader) -> None:
        """Remember a batch that is now in the log (`header.base_offset` is the assigned one)."""
        if header.producer_id < 0:
            return
        producer = self._producers.get(header.producer_id)
        if producer is None or producer.epoch != header.producer_epoch:
            producer = self._producers[header.producer_id] = _Producer(header.producer_epoch)
        producer.batches.append((header.base_sequence, _last_sequence(header), header.base_offset, header.next_offset))
        del producer.batches[:-REMEMBERED_BATCHES]
        self._producers.move_to_end(header.producer_id)
        if len(self._producers) > REMEMBERED_PRODUCERS:
            self._producers.popitem(last=False)

    def snapshot(self) -> list[Any]:
        """A JSON-ready copy for `restore`, least recently used first."""
        return [[pid, p.epoch, [list(b) for b in p.batches]] for pid, p in self._producers.items()]

    @classmethod
    def restore(cls, snapshot: list[Any]) -> "ProducerTable":
        """The table that `snapshot` describes."""
        table = cls()
        for pid, epoch, batches in snapshot:
            table._producers[pid] = _Producer(epoch, [(b[0], b[1], b[2], b[3]) for b in batches])
        return table
