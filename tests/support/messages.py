"""A message as the ingestion reads it, without a broker (the protocol `Message` of shop_platform.ingest.batch)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stored:
    """One message with everything a consumer would tell of it."""

    topic_name: str
    partition_number: int
    at: int
    content: bytes | None
    header_list: list[tuple[str, bytes | None]] = field(default_factory=list)

    def topic(self) -> str:
        """Topic."""
        return self.topic_name

    def partition(self) -> int:
        """Partition."""
        return self.partition_number

    def offset(self) -> int:
        """Offset."""
        return self.at

    def key(self) -> bytes | None:
        """Key."""
        return b"k"

    def value(self) -> bytes | None:
        """Value."""
        return self.content

    def headers(self) -> list[tuple[str, bytes | None]]:
        """Headers."""
        return self.header_list

    def timestamp(self) -> tuple[int, int]:
        """Kind (1: creation) and milliseconds since 1970."""
        return (1, 1_780_000_000_000)
