"""Reads an Airflow connection of type `dagster` into a checked, immutable endpoint."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from airflow_bridge.errors import DagsterConnectionInvalidError

DEFAULT_REPOSITORY = "__repository__"
_DEFAULT_PORTS = {"http": 3000, "https": 443}
_HOST = re.compile(
    r"(?=.{1,253}\.?$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)
# RFC 9110: a token, and visible characters with blanks and tabs between them.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[!-~]([ \t!-~]*[!-~])?|")
# What the client writes itself, from the request that it sends.
_OF_THE_CLIENT = {"connection", "content-length", "content-type", "transfer-encoding"}
_LONGEST_SECONDS = 86_400
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
    port = _DEFAULT_PORTS[scheme] if connection.port is None else connection.port
    if not 0 < port < 65536:
        raise reader.error("port", f"must be from 1 to 65535, not {port}")
    url = f"{scheme}://{reader.host(host)}:{port}"
    return Endpoint(
        url=url,
        ui_url=(reader.url("ui_url") or url).rstrip("/"),
        location=reader.text("location"),
        repository=reader.text("repository") or DEFAULT_REPOSITORY,
        auth=reader.auth(connection),
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

    def host(self, host: str) -> str:
        """Return the host as it stands in a URL."""
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            if _HOST.fullmatch(host) and not re.fullmatch(r"[\d.]+", host):
                return host
            problem = f"must be a bare host name or an IP address, not {host!r}; http or https is `schema`"
            raise self.error("host", f"{problem}, the port is `port`") from None
        return f"[{address}]" if address.version == 6 else str(address)

    def auth(self, connection: ConnectionLike) -> tuple[str, str] | None:
        """Return name and password of basic authentication."""
        if not connection.login:
            return None
        if ":" in connection.login:
            raise self.error("login", "holds a colon, which basic authentication cannot carry in a name")
        return connection.login, connection.password or ""

    def url(self, key: str) -> str | None:
        value = self.text(key)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            valid = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        if not valid or re.search(r"\s", value):
            raise self.error(f"extra.{key}", f"must be a URL such as https://dagster.example, not {value!r}")
        return value

    def seconds(self, key: str, default: float) -> float:
        value = self.extra.get(key)
        if value is None or value == "":
            return default
        try:
            seconds = float(value)
        except (TypeError, ValueError):
            seconds = 0.0
        if not 0 < seconds <= _LONGEST_SECONDS:
            raise self.error(
                f"extra.{key}", f"must be a number of seconds above 0 and at most {_LONGEST_SECONDS}, not {value!r}"
            )
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
        for name, content in value.items():
            if not _HEADER_NAME.fullmatch(name):
                raise self.error("extra.headers", f"holds {name!r}, which is no name of an HTTP header")
            if name.lower() in _OF_THE_CLIENT:
                raise self.error("extra.headers", f"holds {name!r}, which belongs to the request itself")
            if not _HEADER_VALUE.fullmatch(content):  # it may be a secret: it is not shown
                problem = "which an HTTP header cannot hold (line breaks, blanks at the ends, letters beyond ASCII)"
                raise self.error("extra.headers", f"gives {name!r} a value with characters {problem}")
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
                return self._bundle(value)
        raise self.error("extra.verify", f"must be true, false or an existing CA file, not {value!r}")

    def _bundle(self, path: str) -> str:
        try:
            certificates = ssl.create_default_context(cafile=path).cert_store_stats()["x509"]
        except (ssl.SSLError, OSError, ValueError) as error:
            raise self.error(
                "extra.verify", f"names {path!r}, which cannot be read as certificates ({error})"
            ) from error
        if not certificates:
            raise self.error("extra.verify", f"names {path!r}, which holds no certificate")
        return path
