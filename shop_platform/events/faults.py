"""Why a message is no valid event: its class, a sentence, and where in the document."""

from __future__ import annotations

from enum import StrEnum


class ErrorClass(StrEnum):
    """Why a message is not a valid event."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    FORBIDDEN_CHARACTER = "forbidden_character"
    ENVELOPE_INVALID = "envelope_invalid"
    TIME_IMPLAUSIBLE = "time_implausible"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    WRONG_TOPIC = "wrong_topic"
    DATA_INVALID = "data_invalid"
    SUBJECT_MISMATCH = "subject_mismatch"
    ID_REUSED = "id_reused"
    DATABASE_REJECTED = "database_rejected"


class ContractViolation(Exception):  # noqa: N818 - the contract's own word
    """A message that is not a valid event: its class, a sentence, and where in the document."""

    def __init__(
        self, error_class: ErrorClass, message: str, path: str | None = None, event_type: str | None = None
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.path = path
        self.event_type = event_type
