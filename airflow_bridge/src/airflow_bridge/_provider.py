"""Provider metadata for Airflow's provider manager; imports nothing, least of all Airflow."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider description: the connection type `dagster`, its form, the run link."""
    return {
        "package-name": "airflow-bridge",
        "name": "Dagster bridge",
        "description": "Runs Dagster jobs from Airflow over Dagster's GraphQL API.",
        "connection-types": [
            {
                "connection-type": "dagster",
                "hook-class-name": "airflow_bridge.hook.DagsterHook",
                "hook-name": "Dagster",
                "ui-field-behaviour": {
                    "hidden-fields": ["extra"],
                    "relabeling": {"schema": "Scheme (http or https)", "login": "Proxy login"},
                    "placeholders": {"host": "dagster-webserver", "port": "3000", "schema": "http"},
                },
                "conn-fields": {
                    "location": _text("Code location", "Used when an operator names none."),
                    "repository": _text("Repository", "Default: __repository__."),
                    "ui_url": _text("URL for links", "Where a browser finds Dagster, if not host and port."),
                    "headers": _text("Headers (JSON object)", "Sent with every request.", hint="json"),
                    "verify": _text("Verify TLS", "true, false, or the path of a CA bundle."),
                    "connect_timeout": _seconds("Connect timeout (s)"),
                    "read_timeout": _seconds("Read timeout (s)"),
                },
            }
        ],
        "extra-links": ["airflow_bridge.links.DagsterRunLink"],
    }


def _text(label: str, description: str, hint: str | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": ["string", "null"]}
    if hint:
        schema["format"] = hint
    return {"label": label, "description": description, "schema": schema}


def _seconds(label: str) -> dict[str, Any]:
    return {"label": label, "schema": {"type": ["number", "null"], "minimum": 0}}
