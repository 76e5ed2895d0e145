"""Topic settings: which Kafka keys the development broker honours, which it accepts only at their usual value."""

from collections.abc import Mapping
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from .errors import BrokerError

# key -> (default, least, greatest); every one of them changes what the broker does.
_NUMBERS: dict[str, tuple[int, int, int]] = {
    "retention.ms": (-1, -1, 2**63 - 1),
    "retention.bytes": (-1, -1, 2**63 - 1),
    "segment.bytes": (128 * 1024 * 1024, 1024 * 1024, 2**31 - 1),
    "max.message.bytes": (1_048_588, 0, 2**31 - 1),
    "message.timestamp.after.max.ms": (3_600_000, 0, 2**63 - 1),
}
# Anything else than the one value would be promised and not kept.
_FIXED: dict[str, str] = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "1",
}
# Tuning of Kafka's own storage, without meaning here; kept and shown, not used.
_IGNORED: dict[str, str] = {
    "delete.retention.ms": "86400000",
    "file.delete.delay.ms": "60000",
    "flush.messages": "9223372036854775807",
    "flush.ms": "9223372036854775807",
    "index.interval.bytes": "4096",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "preallocate": "false",
    "segment.index.bytes": "10485760",
    "segment.jitter.ms": "0",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """The settings of one topic that the log reads; sizes in bytes, times in milliseconds, -1 is no limit."""

    retention_ms: int
    retention_bytes: int
    segment_bytes: int
    max_message_bytes: int
    timestamp_after_max_ms: int

    @classmethod
    def of(cls, overrides: Mapping[str, str]) -> "TopicConfig":
        """The effective settings for validated `overrides`."""

        def number(key: str) -> int:
            return int(overrides.get(key, _NUMBERS[key][0]))

        return cls(
            retention_ms=number("retention.ms"),
            retention_bytes=number("retention.bytes"),
            segment_bytes=number("segment.bytes"),
            max_message_bytes=number("max.message.bytes"),
            timestamp_after_max_ms=number("message.timestamp.after.max.ms"),
        )


def defaults() -> dict[str, str]:
    """Every known key with the value it has when a topic does not set it."""
    return {**{key: str(spec[0]) for key, spec in _NUMBERS.items()}, **_FIXED, **_IGNORED}


def is_number(key: str) -> bool:
    """Whether the value of `key` is a whole number that the broker uses."""
    return key in _NUMBERS


def validate(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """Check the settings of a topic and return them.

    Raises:
        BrokerError: INVALID_CONFIG, naming the key and what is allowed.
    """
    checked: dict[str, str] = {}
    for key, value in overrides.items():
        if value is None or (key not in _NUMBERS and key not in _FIXED and key not in _IGNORED):
            problem = "has no value" if value is None else "is unknown"
            raise BrokerError(ErrorCode.invalid_config, f"topic setting {key!r} {problem}")
        if key in _FIXED and value != _FIXED[key]:
            raise BrokerError(
                ErrorCode.invalid_config, f"{key}={value}: the development broker knows only {_FIXED[key]!r}"
            )
        if key in _NUMBERS:
            _check_number(key, value)
        checked[key] = value
    return checked


def _check_number(key: str, value: str) -> None:
    _, least, greatest = _NUMBERS[key]
    try:
        fits = least <= int(value) <= greatest
    except ValueError:
        fits = False
    if not fits:
        raise BrokerError(
            ErrorCode.invalid_config, f"{key}={value}: a whole number from {least} to {greatest} is needed"
        )
