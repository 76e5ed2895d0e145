"""One typed settings object, read from ``SHOP_*`` variables and the running embedded stack."""

from __future__ import annotations

import datetime as dt
import os
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from shop_platform.errors import ShopError
from shop_platform.kafka_security import KafkaSettings
from shop_platform.retention_policy import parse_retention

PROJECT_ROOT = Path(__file__).resolve().parent.parent
STACK_ENV_NAME = "stack.env"
_DEV_PASSWORD_PREFIX = "dev-only-"  # noqa: S105 - the marker that staging and prod refuse


class Environment(StrEnum):
    """Where this process runs; anything else is a fatal configuration error."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


class Role(StrEnum):
    """The database role of each service (least rights, one password each)."""

    ADMIN = "admin"
    INGEST = "ingest"
    TRANSFORM = "transform"
    ORCHESTRATOR = "orchestrator"
    DASHBOARD = "dashboard"
    GRAFANA = "grafana"
    BI = "bi"
    PRODUCER = "producer"


# Nothing of the platform logs in as these: an installation that has set no password for one goes on without it.
OPTIONAL_ROLES = frozenset({Role.BI, Role.PRODUCER})


def _dev_password(role: Role) -> SecretStr:
    return SecretStr(f"{_DEV_PASSWORD_PREFIX}{role.value}")


def _code_servers(text: str) -> dict[str, str]:
    """Return addresses by location from ``ingestion=host:4000,warehouse=host:4000``."""
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    if wrong := [name for name, _, address in pairs if not address.rpartition(":")[2].isdecimal()]:
        raise ValueError(f"'{wrong[0]}' has no address; write for example ingestion=host:4000,warehouse=host:4000")
    return {name.strip(): address.strip() for name, _, address in pairs}


class Settings(KafkaSettings):
    """Everything a process of the platform may be told from outside.

    Precedence: ``SHOP_*`` environment variables, then ``<data_dir>/stack.env`` (written by the embedded stack
    while it is up, so that a second terminal finds it), then the defaults below.
    """

    model_config = SettingsConfigDict(env_prefix="SHOP_", extra="ignore", frozen=True)

    env: Environment = Environment.DEV
    data_dir: Path = PROJECT_ROOT / ".shop"

    pg_host: str = "127.0.0.1"
    pg_port: int = 5432
    pg_database: str = "shop"
    pg_admin_user: str = "shop_admin"
    pg_admin_password: SecretStr = _dev_password(Role.ADMIN)
    pg_ingest_password: SecretStr = _dev_password(Role.INGEST)
    pg_transform_password: SecretStr = _dev_password(Role.TRANSFORM)
    pg_orchestrator_password: SecretStr = _dev_password(Role.ORCHESTRATOR)
    pg_dashboard_password: SecretStr = _dev_password(Role.DASHBOARD)
    pg_grafana_password: SecretStr = _dev_password(Role.GRAFANA)
    pg_bi_password: SecretStr = _dev_password(Role.BI)
    pg_producer_password: SecretStr = _dev_password(Role.PRODUCER)
    pg_sslmode: str = "prefer"

    shop_tz: str = "Europe/Berlin"
    event_time_earliest: dt.date = dt.date(2000, 1, 1)
    event_time_ahead_hours: float = Field(default=24.0, ge=0)
    retention: str = ""

    command: str = ""

    dagster_url: str = "http://127.0.0.1:3000"
    dagster_database: str = "dagster"
    dagster_concurrent_runs: int = 2
    dagster_public_url: str = ""
    dagster_code_servers: str = ""

    alert_webhook_url: SecretStr = SecretStr("")
    runbook_url: str = "docs/runbooks"

    dashboard_host: str = "127.0.0.1"
    dashboard_port: int = 8050
    dashboard_url: str = ""
    dashboard_refresh_seconds: int = 10

    ingest_batch_messages: int = 20_000
    ingest_linger_ms: int = 40
    ingest_group: str = "shop-ingest"
    ingest_stall_seconds: float = Field(default=120.0, ge=5)
    ingest_report_seconds: float = Field(default=30.0, ge=0)
    ingest_health_host: str = "127.0.0.1"
    ingest_health_port: int = Field(default=0, ge=0, le=65_535)
    ingest_dead_letter_burst: int = Field(default=500, ge=0)
    ingest_dead_letter_share: float = Field(default=0.2, gt=0, le=1)

    refresh_report_seconds: float = Field(default=30.0, ge=0)
    refresh_check_seconds: float = Field(default=300.0, ge=1)

    allow_simulated_data: bool = True
    log_format: str = "console"

    @field_validator("shop_tz")
    @classmethod
    def _known_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"'{value}' is not an IANA time zone such as Europe/Berlin") from error
        return value

    @field_validator("alert_webhook_url")
    @classmethod
    def _http_or_nothing(cls, value: SecretStr) -> SecretStr:
        # The value itself is a secret and stays out of the message.
        if value.get_secret_value() and not value.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value

    @field_validator("retention")
    @classmethod
    def _possible_retention(cls, value: str) -> str:
        parse_retention(value)
        return value

    @field_validator("dagster_code_servers")
    @classmethod
    def _locations_and_addresses(cls, value: str) -> str:
        _code_servers(value)
        return value

    @field_validator("log_format")
    @classmethod
    def _known_log_format(cls, value: str) -> str:
        if value not in {"console", "json"}:
            raise ValueError("must be 'console' or 'json'")
        return value

    @model_validator(mode="after")
    def _refuse_development_defaults_outside_dev(self) -> Settings:
        if self.env is Environment.DEV:
            return self
        # Only what was given is judged: a service is told its own role's password and no other.
        weak = [f"SHOP_PG_{role.value.upper()}_PASSWORD" for role in Role if self._given(role) and self._is_weak(role)]
        if weak:
            raise ValueError(f"{self.env.value} refuses default or empty secrets; set {', '.join(weak)}")
        if self.env is Environment.PROD and self.allow_simulated_data:
            raise ValueError("prod refuses simulated data; set SHOP_ALLOW_SIMULATED_DATA=false")
        if weaknesses := self.kafka_weaknesses():
            raise ValueError(f"{self.env.value} refuses a weak connection to Kafka: {'; '.join(weaknesses)}")
        return self

    def _given(self, role: Role) -> bool:
        name = f"pg_{role.value}_password"
        # Compose hands an optional variable on as an empty one.
        return name in self.model_fields_set and not (role in OPTIONAL_ROLES and not self._secret(role))

    def _secret(self, role: Role) -> str:
        secret: SecretStr = getattr(self, f"pg_{role.value}_password")
        return secret.get_secret_value()

    def may_log_in(self, role: Role) -> bool:
        """Tell whether ``role`` has a password, which outside of dev only an optional one may lack."""
        return role not in OPTIONAL_ROLES or self.env is Environment.DEV or self._given(role)

    def _is_weak(self, role: Role) -> bool:
        value = self.password(role)
        return not value or value.startswith(_DEV_PASSWORD_PREFIX)

    def user(self, role: Role) -> str:
        """Return the PostgreSQL user name of ``role``."""
        return self.pg_admin_user if role is Role.ADMIN else f"shop_{role.value}"

    def password(self, role: Role) -> str:
        """Return the password of ``role`` in clear; raise :class:`ShopError` outside dev when none was given."""
        if self.env is not Environment.DEV and not self._given(role):
            raise ShopError(
                f"This process has no password for the role '{role.value}'",
                f"Set SHOP_PG_{role.value.upper()}_PASSWORD.",
            )
        return self._secret(role)

    def dsn(self, role: Role, database: str | None = None) -> str:
        """Return a libpq URL for ``role``; ``database`` defaults to the warehouse."""
        return (
            f"postgresql://{self.user(role)}:{quote(self.password(role), safe='')}@{self.pg_host}:{self.pg_port}"
            f"/{database or self.pg_database}?sslmode={self.pg_sslmode}"
        )

    def dagster_storage_url(self) -> str:
        """Return Dagster's storage URL; the driver is named because SQLAlchemy's default one breaks Dagster."""
        return self.dsn(Role.ORCHESTRATOR, self.dagster_database).replace("postgresql://", "postgresql+psycopg2://")

    @property
    def alert_url(self) -> str:
        """The webhook; empty when there is none, or one below ``.invalid``, which never exists (RFC 2606)."""
        url = self.alert_webhook_url.get_secret_value()
        return "" if (urlsplit(url).hostname or "").endswith(".invalid") else url

    @property
    def dagster_link(self) -> str:
        """Where a person's browser finds Dagster."""
        return (self.dagster_public_url or self.dagster_url).rstrip("/")

    @property
    def code_servers(self) -> dict[str, str]:
        """The address (host:port) of each of Dagster's code locations that is known."""
        return _code_servers(self.dagster_code_servers)

    @property
    def stack_env_path(self) -> Path:
        """The file by which the running embedded stack tells other terminals how to reach it."""
        return self.data_dir / STACK_ENV_NAME

    @property
    def ledger_dir(self) -> Path:
        """Where the producer keeps its acknowledged and its fault ledger."""
        return self.data_dir / "ledger"

    def process_environment(self) -> dict[str, str]:
        """Return the ``SHOP_*`` variables that give a child process these very settings."""
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr) and self.env is not Environment.DEV and name not in self.model_fields_set:
                continue
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            if isinstance(value, bool):
                value = str(value).lower()
            values[f"SHOP_{name.upper()}"] = "" if value is None else str(value)
        return values

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the running stack's file between the environment and the defaults."""
        data_dir = Path(os.environ.get("SHOP_DATA_DIR", PROJECT_ROOT / ".shop"))
        stack = DotEnvSettingsSource(settings_cls, env_file=data_dir / STACK_ENV_NAME)
        return init_settings, env_settings, stack


def load(**overrides: Any) -> Settings:
    """Read the settings afresh; raise :class:`ShopError` naming each variable that is wrong."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = "_".join(str(part) for part in item["loc"]).upper()
            lines.append(f"SHOP_{name}: {item['msg']}" if name else str(item["msg"]).removeprefix("Value error, "))
        raise ShopError(
            "The configuration is not valid: " + "; ".join(lines), "See .env.example for every variable."
        ) from error


@cache
def get_settings() -> Settings:
    """Return the settings of this process, read once."""
    return load()
