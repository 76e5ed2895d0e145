"""Reads an Airflow connection of type `dagster` into a checked, immutable endpoint."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from airflow_bridge.errors import DagsterConnectionInvalidError

DEFAULT_REPOSITORY = "__repository__"
_DEFAULT_PORTS = {"http": 3000, "https": 443}
_EXTRA_KEYS = ("location", "repository", "ui_url", "headers", "verify", "connect_timeout", "read_timeout")


class ConnectionLike(Protocol):
    """The part of an Airflow connection the bridge reads."""

    conn_id: str
    host: str | None
    port: int | None
    schema: str | None
    login: str | None
    password: str | None
    extra: str | None


@dataclass(frozen=True)
class Endpoint:
    """Where Dagster's GraphQL API is and how to talk to it; timeouts in seconds."""

    url: str
    ui_url: str
    location: str | None
    repository: str
    auth: tuple[str, str] | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True
    connect_timeout: float = 5.0
    read_timeout: float = 30.0

    def run_url(self, run_id: str) -> str:
        """Return the page of a run in Dagster's own UI."""
        return f"{self.ui_url}/runs/{run_id}"

    def client_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for `httpx.Client` or `httpx.AsyncClient`."""
        verify: bool | ssl.SSLContext = (
            ssl.create_default_context(cafile=self.verify) if isinstance(self.verify, str) else self.verify
        )
        return {
            "base_url": self.url,
            "auth": self.auth,
            "headers": self.headers,
            "verify": verify,
            "timeout": httpx.Timeout(self.read_timeout, connect=self.connect_timeout),
        }


def endpoint_of(connection: ConnectionLike) -> Endpoint:
    """Check the connection and return its endpoint.

    Raises `DagsterConnectionInvalidError` naming the connection, the field and what belongs there.
    """
    reader = _Reader(connection.conn_id, _extra(connection))
    scheme = (connection.schema or "http").lower()
    if scheme not in _DEFAULT_PORTS:
        raise reader.error("schema", f"must be http or https, not {scheme!r}")
    host = (connection.host or "").strip()
    if not host:
        raise reader.error("host", "is empty; set it to the name of Dagster's web server")
    if "/" in host:
        raise reader.error("host", f"must be a bare host name, not {host!r}; http or https is `schema`")
    url = f"{scheme}://{host}:{connection.port or _DEFAULT_PORTS[scheme]}"
    return Endpoint(
        url=url,
        ui_url=(reader.text("ui_url") or url).rstrip("/"),
        location=reader.text("location"),
        repository=reader.text("repository") or DEFAULT_REPOSITORY,
        auth=(connection.login, connection.password or "") if connection.login else None,
        headers=reader.headers(),
        verify=reader.verify(),
        connect_timeout=reader.seconds("connect_timeout", 5.0),
        read_timeout=reader.seconds("read_timeout", 30.0),
    )


def _extra(connection: ConnectionLike) -> dict[str, Any]:
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError as error:
        raise DagsterConnectionInvalidError(
            f"Airflow connection {connection.conn_id!r}: extra is not valid JSON ({error})."
        ) from error
    if not isinstance(extra, dict):
        raise DagsterConnectionInvalidError(f"Airflow connection {connection.conn_id!r}: extra must be a JSON object.")
    unknown = sorted(set(extra) - set(_EXTRA_KEYS))
    if unknown:
        raise DagsterConnectionInvalidError(
            f"Airflow connection {connection.conn_id!r}: extra holds unknown keys {', '.join(unknown)}; "
            f"known are {', '.join(_EXTRA_KEYS)}."
        )
    return extra


@dataclass(frozen=True)
class _Reader:
    conn_id: str
    extra: dict[str, Any]

    def error(self, key: str, problem: str) -> DagsterConnectionInvalidError:
        return DagsterConnectionInvalidError(f"Airflow connection {self.conn_id!r}: {key} {problem}.")

    def text(self, key: str) -> str | None:
        value = self.extra.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(f"extra.{key}", f"must be text, not {value!r}")
        return (value or "").strip() or None

    def seconds(self, key: str, default: float) -> float:
        value = self.extra.get(key)
        if value is None or value == "":
            return default
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise self.error(f"extra.{key}", f"must be a number of seconds above 0, not {value!r}")
        return seconds

    def headers(self) -> dict[str, str]:
        value = self.extra.get("headers") or {}
        if isinstance(value, str):  # the connection form can only hold text
            try:
                value = json.loads(value)
            except ValueError as error:
                raise self.error("extra.headers", f"is not a JSON object ({error})") from error
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self.error("extra.headers", "must be a JSON object of texts")
        return dict(value)

    def verify(self) -> bool | str:
        value = self.extra.get("verify")
        if value is None or value == "":
            return True
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            if value.lower() in ("true", "false"):
                return value.lower() == "true"
            if Path(value).is_file():
                return value
        raise self.error("extra.verify", f"must be true, false or an existing CA file, not {value!r}")
