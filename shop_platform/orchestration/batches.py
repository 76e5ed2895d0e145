"""Read what the ingestion's ledger says of each subject: newest event, share of dead letters and of repetitions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# Both shares are judged over one day: long enough for a rate, short enough to see a bad deployment.
_WINDOW = dt.timedelta(hours=24)


@dataclass(frozen=True)
class SubjectState:
    """One subject as the ledger knows it now. ``event_age`` is ``None`` when nothing ever landed."""

    event_age: dt.timedelta | None = None
    messages: int = 0
    dead: int = 0
    duplicates: int = 0

    @property
    def dead_share(self) -> float:
        """Dead letters per message of the last day, 0 to 1."""
        return self.dead / self.messages if self.messages else 0.0

    @property
    def duplicate_share(self) -> float:
        """Repetitions per message of the last day, 0 to 1."""
        return self.duplicates / self.messages if self.messages else 0.0


def subject_states(settings: Settings) -> dict[str, SubjectState]:
    """Return the state of every subject the ledger has a batch of."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        rows = connection.execute(
            """
            select
                topic,
                clock_timestamp() - max(max_event_time),
                coalesce(sum(messages) filter (where committed_at > now() - %(window)s), 0),
                coalesce(sum(dead) filter (where committed_at > now() - %(window)s), 0),
                coalesce(sum(duplicates) filter (where committed_at > now() - %(window)s), 0)
            from ops.ingest_batches
            group by topic
            """,
            {"window": _WINDOW},
        ).fetchall()
    return {
        TOPIC_BY_NAME[str(topic)].subject: SubjectState(
            age if isinstance(age, dt.timedelta) else None, int(str(messages)), int(str(dead)), int(str(duplicates))
        )
        for topic, age, messages, dead, duplicates in rows
        if str(topic) in TOPIC_BY_NAME
    }
