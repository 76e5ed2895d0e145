"""Read what the ingestion says of each subject: newest event, share of dead letters and of repetitions, halts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace

from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.halts import Halt, open_halts
from shop_platform.orchestration.dead_shares import Waiting, waiting
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# Both shares are judged over one day: long enough for a rate, short enough to see a bad deployment.
_WINDOW = dt.timedelta(hours=24)


@dataclass(frozen=True)
class SubjectState:
    """One subject as the ledger knows it now. ``event_age`` is ``None`` when nothing ever landed.

    ``waiting`` are the dead letters of the last day that nobody has fixed, replayed or discarded.
    """

    event_age: dt.timedelta | None = None
    messages: int = 0
    waiting: Waiting = field(default_factory=Waiting)
    duplicates: int = 0
    halts: tuple[Halt, ...] = ()

    @property
    def duplicate_share(self) -> float:
        """Repetitions per message of the last day, 0 to 1."""
        return self.duplicates / self.messages if self.messages else 0.0


def subject_states(settings: Settings) -> dict[str, SubjectState]:
    """Return the state of every subject the ledger has a batch of, or that is halted."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        rows = connection.execute(
            """
            select
                topic,
                clock_timestamp() - max(max_event_time),
                coalesce(sum(messages) filter (where committed_at > now() - %(window)s), 0),
                coalesce(sum(duplicates) filter (where committed_at > now() - %(window)s), 0)
            from ops.ingest_batches
            group by topic
            """,
            {"window": _WINDOW},
        ).fetchall()
        halts = open_halts(connection)
        waits = waiting(connection)
    states = {
        TOPIC_BY_NAME[str(topic)].subject: SubjectState(
            age if isinstance(age, dt.timedelta) else None,
            int(str(messages)),
            waits.get(TOPIC_BY_NAME[str(topic)].subject, Waiting()),
            int(str(duplicates)),
        )
        for topic, age, messages, duplicates in rows
        if str(topic) in TOPIC_BY_NAME
    }
    for halt in halts:
        if halt.topic in TOPIC_BY_NAME:
            subject = TOPIC_BY_NAME[halt.topic].subject
            state = states.get(subject, SubjectState())
            states[subject] = replace(state, halts=(*state.halts, halt))
    return states
