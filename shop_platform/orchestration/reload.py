"""``shop reload``: have Dagster load a code location again, as its own *Reload* button does."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from shop_platform.errors import ShopError
from shop_platform.orchestration import names
from shop_platform.settings import Settings, get_settings

# Dagster answers when the definitions are loaded; that may include parsing the whole dbt project.
_TIMEOUT_SECONDS = 2000
RELOAD = """
mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename
  ... on WorkspaceLocationEntry { locationOrLoadError { __typename
    ... on PythonError { message errorChain { error { message } } } } }
  ... on Error { message } } }
"""


def reload(
    location: Annotated[
        str, typer.Argument(help=f"The code location: {' or '.join(names.MODULES)}.")
    ] = names.LOCATION_WAREHOUSE,
) -> None:
    """Have Dagster load a code location again: the dbt project and the code as they are now.

    Nothing is interrupted: runs under way end as they began. Exit code 1: the definitions do not load; the reason
    is told, and the other code location goes on.
    """
    if location not in names.MODULES:
        raise ShopError(f"There is no code location '{location}'", f"It is {' or '.join(names.MODULES)}.")
    sys.stderr.write(f"loading {location} again; with a changed dbt project that takes a minute or two …\n")
    reload_location(get_settings(), location)
    sys.stdout.write(f"{location} was loaded again\n")


def reload_location(settings: Settings, location: str) -> None:
    """Load ``location`` again and return when that is done.

    Raises :class:`ShopError` when Dagster is away (exit code 2) or the definitions do not load (1).
    """
    import httpx  # only when it is called: loading it is dear

    body = {"query": RELOAD, "variables": {"name": location}}
    try:
        answer = httpx.post(f"{settings.dagster_url}/graphql", json=body, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise ShopError(
            f"Dagster at {settings.dagster_url} did not load '{location}' again: {error}",
            "Is the stack up (`shop status`)?",
        ) from error
    judge(location, answer.json()["data"])


def judge(location: str, data: dict[str, Any]) -> None:
    """Raise :class:`ShopError` (exit code 1) when Dagster's answer to :data:`RELOAD` is that nothing was loaded."""
    told = data["reloadRepositoryLocation"]
    if told["__typename"] == "WorkspaceLocationEntry":
        told = told["locationOrLoadError"] or {"__typename": "nothing", "message": "it is still loading"}
    if told["__typename"] != "RepositoryLocation":
        raise ShopError(
            f"The code location '{location}' does not load: {_reason(told)}",
            "Correct what it names, then `shop reload` again.",
            exit_code=1,
        )


def _reason(told: dict[str, Any]) -> str:
    """Return what our code raised, which Dagster has wrapped in errors of its own."""
    reasons = [
        told.get("message", told["__typename"]),
        *(each["error"]["message"] for each in told.get("errorChain", [])),
    ]
    return str(next((each for each in reasons if not each.startswith("dagster.")), reasons[0])).strip()
