"""What can go wrong between Airflow and Dagster, one type per case a caller may want to tell apart.

Every type takes the whole message as its only positional argument, because Airflow rebuilds
exceptions from `str(error)`.
"""

from __future__ import annotations

try:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
except ImportError:  # before Airflow 3.2
    from airflow.exceptions import AirflowException, AirflowFailException

__all__ = ["AirflowException", "AirflowFailException"]


class DagsterBridgeError(AirflowException):
    """Base of all errors of the bridge; a task that raises one may be retried."""


class DagsterConnectionInvalidError(DagsterBridgeError, AirflowFailException):
    """The Airflow connection lacks a value or holds one that cannot be used; retrying cannot help."""


class DagsterRequestInvalidError(DagsterBridgeError, AirflowFailException):
    """The task asks for something Dagster can never run (run config, selection, tags); no retry."""


class DagsterUnreachableError(DagsterBridgeError):
    """Dagster gave no usable answer: refused, timed out, 5xx, or not GraphQL."""


class DagsterQueryFailedError(DagsterBridgeError):
    """Dagster answered the GraphQL request with an error of its own."""


class DagsterJobNotFoundError(DagsterBridgeError):
    """No such job, repository or code location is loaded now; it may be after a deployment."""


class DagsterRunNotFoundError(DagsterBridgeError):
    """The Dagster run was deleted while the task waited for it."""


class DagsterRunFailedError(DagsterBridgeError):
    """The Dagster run ended in FAILURE; the message names step, asset, error and link."""


class DagsterChecksFailedError(DagsterRunFailedError):
    """The Dagster run succeeded, but asset checks of severity ERROR did not pass."""


class DagsterRunCanceledError(DagsterBridgeError):
    """The Dagster run was cancelled by somebody other than this task."""


class DagsterRunTimedOutError(DagsterBridgeError):
    """The Dagster run outlived the task's `execution_timeout`; the message says whether it was cancelled."""
