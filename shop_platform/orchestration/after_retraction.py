"""After events were taken back or landed again: which marts still tell the old figures, who builds them, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, LiteralString

import psycopg

from shop_platform.errors import ShopError
from shop_platform.orchestration import names
from shop_platform.orchestration.heartbeats import silent_daemons
from shop_platform.refresh.attempts import alive
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_POLL_SECONDS = 2.0
_SPEAK_SECONDS = 10.0

# A mart holds what its watermark says: everything that was written below its ceiling.
_BEHIND: LiteralString = """
with corrected as (
    select x.xid
    from (
        (select _xid from ops.retractions order by _xid desc limit 1)
        union all
        (select restored_xid from ops.retractions where restored_xid is not null order by restored_xid desc limit 1)
    ) as x (xid)
    order by x.xid desc limit 1
)
select
    count(*),
    coalesce(
        array_agg(m.model order by m.model) filter (where m.ceiling <= (select c.xid from corrected as c)), '{}'
    )
from ops.model_watermarks as m
where starts_with(m.model, 'marts.') and to_regclass(m.model) is not null
"""
_LAST_RUN: LiteralString = """
select duration_seconds::float8 from ops.pipeline_runs
where job = %s and status = 'success' and duration_seconds is not null order by started_at desc limit 1
"""


@dataclass(frozen=True)
class Follow:
    """How far the marts have followed: ``behind`` (``schema.table``) of ``marts`` still tell the old figures.

    ``dagster`` and ``refresher``: is somebody alive who builds them; ``run_seconds``: how long the last build took.
    """

    marts: int
    behind: tuple[str, ...]
    dagster: bool
    refresher: bool
    run_seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return asdict(self)


def look(settings: Settings) -> Follow:
    """Compare the marts' watermarks with the newest retraction and restoration, and see who builds marts."""
    with connect(settings, Role.ORCHESTRATOR, autocommit=True) as connection:
        found: tuple[int, list[str]] | None = connection.execute(_BEHIND).fetchone()  # type: ignore[assignment]
        run = connection.execute(_LAST_RUN, [names.JOB_TRANSFORM]).fetchone()
    assert found is not None
    seconds = float(str(run[0])) if run else None
    return Follow(found[0], tuple(found[1]), _dagster(settings), alive(settings), seconds)


def _dagster(settings: Settings) -> bool:
    """Return whether a daemon is alive that looks at the warehouse; without its database there is none."""
    try:
        return not silent_daemons(settings)
    except (ShopError, psycopg.Error):
        return False


def wait(
    settings: Settings, say: Callable[[list[str]], None], *, sleep: Callable[[float], None] = time.sleep
) -> Follow:
    """Look every two seconds until every mart has followed; ``say`` hears what is new, in lines for a person."""
    said: Follow | None = None
    spoken = 0.0
    while True:
        found = look(settings)
        lines = news(found, said)
        # Marts follow one after another: a line for each would hide the one that matters.
        if lines and (len(lines) > 1 or not found.behind or time.monotonic() - spoken >= _SPEAK_SECONDS):
            say(lines)
            said, spoken = found, time.monotonic()
        if not found.behind:
            return found
        sleep(_POLL_SECONDS)


def news(found: Follow, said: Follow | None) -> list[str]:
    """Return what ``found`` adds to what was ``said`` before, line by line: all at first, then how far (pure)."""
    if said is None or not found.behind or found.dagster != said.dagster:
        return tell(found)
    return [_far(found)] if len(found.behind) != len(said.behind) else []


def _far(found: Follow) -> str:
    still = "tells" if len(found.behind) == 1 else "tell"
    return f"{len(found.behind)} of {found.marts} marts still {still} the old figures."


def sentences(settings: Settings) -> list[str]:
    """Say when the marts will be right after a retraction or a restoration, whatever can be asked."""
    try:
        return tell(look(settings))
    except (ShopError, psycopg.Error) as error:
        return [
            f"How far the marts are could not be asked ({str(error).splitlines()[0]}). They tell the old figures until"
            " each is built again."
        ]


def tell(found: Follow) -> list[str]:
    """Return how far the marts are, and what comes when, line by line (pure)."""
    if not found.marts:
        return ["No mart has been built yet."]
    if not found.behind:
        return [f"No mart tells the old figures any more: all {found.marts} are built since."]
    lines = [_far(found)]
    if found.refresher:
        lines.append("The hot ones follow within seconds: a refresher is alive.")
    if found.dagster:
        took = "" if found.run_seconds is None else f" (the last one took {found.run_seconds:.0f} s)"
        lines += [
            f"Every mart, those of the night too, follows with a run of Dagster's job {names.JOB_TRANSFORM}{took}: its"
            " sensor transform_on_watermark asks for it when it looks next, every half minute unless set otherwise, and"
            " no other such run is under way.",
            "`shop events marts --wait` waits until all of them are built.",
        ]
    else:
        others = "the others" if found.refresher else "them"
        lines += [
            f"Nothing builds {others} by itself: no Dagster daemon is alive here (`shop up` starts one, and it builds"
            ' them). Without one, in the folder of the project: eval "$(shop env)" && cd dbt_project && dbt run',
            "`shop events marts` says how far they are.",
        ]
    return lines
