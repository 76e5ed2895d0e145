"""Which services count as away: what two looks agree about, what may still be starting, what nobody could ask."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Callable, Sequence

from shop_platform.children import SUPERVISED_VARIABLE
from shop_platform.monitoring import incident as kinds
from shop_platform.monitoring.incident import Incident, key
from shop_platform.monitoring.services import CODE_SERVER, INGEST, KAFKA, SERVICES, WEB, ServiceState, about
from shop_platform.orchestration import names

# One that is just restarting is away for a moment: what is away at two looks in a row is an incident.
_LOOKS = 2
# What was never up since this process began may still be starting; and what needs PostgreSQL comes back after it.
_START_SECONDS, _AFTER_OUTAGE_SECONDS = 90.0, 60.0
# Our own supervisor starts some services only after the first build, and tells what does not come up.
_SUPERVISED_START_SECONDS = 3600.0


class ServiceWatch:
    """Remembers of each service how often in a row it was away, since when, and whether it was ever up."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        supervised = os.environ.get(SUPERVISED_VARIABLE)
        self._start_seconds = _SUPERVISED_START_SECONDS if supervised else _START_SECONDS
        self._back_at = float("-inf")
        self._away: Counter[str] = Counter()
        self._since: dict[str, dt.datetime] = {}
        self._seen_up: set[str] = set()

    def warehouse_is_back(self) -> None:
        """Note that PostgreSQL is there again: what needs it has a minute to follow."""
        self._back_at = self._clock()

    def away_since(self, service: str) -> dt.datetime | None:
        """Return since when ``service`` is away, ``None`` while it does not count as away."""
        starting = self._clock() - self._began < self._start_seconds and service not in self._seen_up
        return None if starting or self._away[service] < _LOOKS else self._since[service]

    def seen(self, states: Sequence[ServiceState]) -> None:
        """Count one look; what was not asked in it counts from the beginning again."""
        now = dt.datetime.now(dt.UTC)
        away = {state.service for state in states if not state.up}
        self._seen_up |= {state.service for state in states if state.up}
        self._away = Counter({service: self._away[service] + 1 for service in away})
        self._since = {service: self._since.get(service, now) for service in away}

    def away(self, states: Sequence[ServiceState]) -> list[Incident]:
        """Return an incident for each of ``states`` that counts as away."""
        back = self._clock() - self._back_at < _AFTER_OUTAGE_SECONDS
        away = [state for state in states if not (back and state.service != KAFKA) and self.away_since(state.service)]
        without_kafka = any(state.service == KAFKA for state in away)
        return [
            Incident(
                key(kinds.SERVICE, state.service),
                about(state.service).severity,
                f"{about(state.service).called} is away",
                f"{state.detail}. {about(state.service).follows}",
                about(state.service).runbook,
                cause=key(kinds.SERVICE, KAFKA) if state.service == INGEST and without_kafka else "",
                since=self.away_since(state.service),
            )
            for state in away
        ]

    def unknown(self, states: Sequence[ServiceState]) -> list[str]:
        """Return the incidents about which this look says nothing: they stay as they are."""
        up = {state.service: state.up for state in states}
        services = [*SERVICES, *map(CODE_SERVER.__add__, names.MODULES)]
        if self._clock() - self._back_at < _AFTER_OUTAGE_SECONDS:
            silent = [service for service in services if not up.get(service, True)]
        else:
            # Only the web server says whether the definitions of a code server that answers were loaded.
            asked = up[WEB]
            silent = [each for each in services if not asked and up.get(each, True) and each.startswith(CODE_SERVER)]
        return [key(kinds.SERVICE, service) for service in silent]
