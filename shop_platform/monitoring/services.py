"""The services of the platform: what each is for, and what to do when it is away."""

from __future__ import annotations

from dataclasses import dataclass

from shop_platform.monitoring.incident import CRITICAL, WARNING

POSTGRES, KAFKA, INGEST, REFRESHER = "postgres", "kafka", "ingest", "refresher"
WEB, DAEMON, DASHBOARD, MONITOR = "dagster-web", "dagster-daemon", "dashboard", "monitor"
CODE_SERVER = "dagster-"


@dataclass(frozen=True)
class About:
    """How one calls a service, and what follows when it is away; ``runbook`` is a page of ``docs/runbooks``."""

    called: str
    follows: str
    runbook: str
    severity: str = CRITICAL


SERVICES = {
    POSTGRES: About("PostgreSQL", "Nothing is ingested, built or shown; Kafka keeps what comes.", "service-away"),
    KAFKA: About("Kafka", "Producers cannot send, and nothing new lands; the marts stay as they are.", "service-away"),
    INGEST: About("the ingestion", "New events wait in Kafka and reach no mart.", "frozen"),
    REFRESHER: About(
        "the refresher",
        "The hot marts follow with Dagster's runs only, minutes instead of seconds behind.",
        "refresher",
    ),
    WEB: About("Dagster's web server", "Nobody can look at runs or start one; schedules go on.", "code-location"),
    DAEMON: About("Dagster's daemon", "No sensor, no schedule and no queued run starts.", "code-location"),
    DASHBOARD: About("the dashboard", "Nobody sees the figures; they are in the marts.", "frozen", WARNING),
}


def about(service: str) -> About:
    """Return what is known of ``service``; a code server is named after its location."""
    if service not in SERVICES and service.startswith(CODE_SERVER):
        location = service.removeprefix(CODE_SERVER)
        return About(f"code location {location}", "None of its schedules, sensors and runs can start.", "code-location")
    return SERVICES[service]


@dataclass(frozen=True)
class ServiceState:
    """One look at one service; ``detail`` says what is wrong, or what it is about."""

    service: str
    up: bool
    detail: str = ""
