"""The one exception a request handler raises to answer with a Kafka error code."""

from kio.schema.errors import ErrorCode


class BrokerError(Exception):
    """A refusal that the client is told about as a protocol error code; the message goes to the client."""

    def __init__(self, code: ErrorCode, message: str = "") -> None:
        super().__init__(message or code.name)
        self.code = code
        self.message = message or code.name


class StartError(Exception):
    """The broker cannot start; the message says what to do about it."""
