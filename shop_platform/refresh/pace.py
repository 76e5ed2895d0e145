"""How often to build: at once when something is new, less often the longer it takes and the busier the machine is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Between two builds lies at least this share of the first one's time, so that others get at the lock and the cores.
_SHARE_IDLE = 0.25
_SHARE_BUSY = 1.5
# Waiting processes per core (one-minute load average) from which the machine counts as busy.
_BUSY_LOAD = 2.0
_LEAST_SECONDS, _MOST_SECONDS = 0.3, 30.0
# Tests read whole tables: they get this part of the time at most.
_CHECK_SHARE = 0.1

_FIRST_REST, _LONGEST_REST = 5.0, 300.0


def pause_seconds(build_seconds: float, load_per_core: float) -> float:
    """Return how long to rest after a build that took ``build_seconds``."""
    share = _SHARE_BUSY if load_per_core > _BUSY_LOAD else _SHARE_IDLE
    return min(max(build_seconds * share, _LEAST_SECONDS), _MOST_SECONDS)


def check_pause_seconds(check_seconds: float, least_seconds: float) -> float:
    """Return how long to wait after tests that took ``check_seconds`` before they run again."""
    return max(least_seconds, check_seconds / _CHECK_SHARE)


@dataclass
class _Rest:
    failures: int
    until: float


@dataclass
class Quarantine:
    """Models that failed, and until when each is left alone (seconds of a clock that only goes forward).

    The same SQL on the same rows fails again, so a model that keeps failing is tried after 5, 10, 20 ... 300 s.
    """

    _rests: dict[str, _Rest] = field(default_factory=dict)

    def failed(self, model: str, now: float) -> None:
        """Remember that ``model`` failed."""
        failures = self._rests[model].failures + 1 if model in self._rests else 1
        self._rests[model] = _Rest(failures, now + min(_FIRST_REST * 2 ** (failures - 1), _LONGEST_REST))

    def succeeded(self, model: str) -> None:
        """Forget the failures of ``model``."""
        self._rests.pop(model, None)

    def resting(self, now: float) -> set[str]:
        """Return the models that are left alone now."""
        return {model for model, rest in self._rests.items() if rest.until > now}


def with_descendants(models: Iterable[str], children: Mapping[str, Iterable[str]]) -> set[str]:
    """Return ``models`` and everything below them; ``children`` maps a model to those that read it."""
    found: set[str] = set()
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found.add(model)
            waiting.extend(children.get(model, ()))
    return found
