"""What is told while PostgreSQL is away, when nothing can be looked up or written down."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from shop_platform.monitoring import incident as kinds
from shop_platform.monitoring.grouping import Alert, Message
from shop_platform.monitoring.incident import CRITICAL, key
from shop_platform.monitoring.services import POSTGRES, about


@dataclass
class Outage:
    """The incident of a warehouse that is away: kept here until it can be written down."""

    alert: Alert

    @classmethod
    def begun(cls, at: dt.datetime, detail: str) -> Outage:
        """Return the incident; its number is made of the time, because the warehouse gives out none."""
        known = about(POSTGRES)
        return cls(
            Alert(
                alert_id=-int(at.timestamp()), incident=key(kinds.SERVICE, POSTGRES), severity=CRITICAL,
                title=f"{known.called} is away", detail=f"{detail}. {known.follows}", assets=[], run_id=None,
                runbook=known.runbook, cause="", beneath=None, opened_at=at, resolved_at=None, told_at=None,
                end_told_at=None,
            )
        )  # fmt: skip

    def told(self, at: dt.datetime) -> None:
        """Remember that the webhook took the news."""
        self.alert = replace(
            self.alert, told_at=self.alert.told_at or at, end_told_at=at if not self.alert.open else None
        )

    def ended(self, at: dt.datetime) -> Message | None:
        """Note that the warehouse is back; return what is to be told of it, ``None`` when nobody heard of the begin."""
        self.alert = replace(self.alert, resolved_at=at)
        return Message(self.alert, over=True) if self.alert.told_at else None
