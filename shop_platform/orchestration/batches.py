"""Read what the ingestion says of each subject: newest event, share of dead letters and of repetitions, halts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.halts import Halt, open_halts
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# Both shares are judged over one day: long enough for a rate, short enough to see a bad deployment.
_WINDOW = dt.timedelta(hours=24)


@dataclass(frozen=True)
class SubjectState:
    """One subject as the ledger knows it now. ``event_age`` is ``None`` when nothing ever landed.

    ``dead`` are the dead letters of the last day that nobody has fixed, replayed or discarded.
    """

    event_age: dt.timedelta | None = None
    messages: int = 0
    dead: int = 0
    duplicates: int = 0
    halts: tuple[Halt, ...] = ()

    @property
    def dead_share(self) -> float:
        """Dead letters per message of the last day, 0 to 1."""
        return self.dead / self.messages if self.messages else 0.0

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
                coalesce(max(waiting.letters), 0),
                coalesce(sum(duplicates) filter (where committed_at > now() - %(window)s), 0)
            from ops.ingest_batches
            left join (
                -- Written out as the index on what waits has it.
                select topic, count(*) as letters from ops.dead_letters
                where status in ('open', 'fixed') and status = 'open' and received_at > now() - %(window)s
                group by topic
            ) as waiting using (topic)
            group by topic
            """,
            {"window": _WINDOW},
        ).fetchall()
        halts = open_halts(connection)
    states = {
        TOPIC_BY_NAME[str(topic)].subject: SubjectState(
            age if isinstance(age, dt.timedelta) else None, int(str(messages)), int(str(dead)), int(str(duplicates))
        )
        for topic, age, messages, dead, duplicates in rows
        if str(topic) in TOPIC_BY_NAME
    }
    for halt in halts:
        if halt.topic in TOPIC_BY_NAME:
            subject = TOPIC_BY_NAME[halt.topic].subject
            state = states.get(subject, SubjectState())
            states[subject] = replace(state, halts=(*state.halts, halt))
    return states
