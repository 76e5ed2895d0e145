"""The heartbeats of a stack that has ended: what was killed could not take its own away."""

from __future__ import annotations

from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect


def forget_heartbeats(settings: Settings) -> None:
    """Take all of them away, at the start of a stack that has its data folder to itself.

    Else a process of a minute ago would pass for one of this stack that has just fallen silent.
    """
    with connect(settings, Role.ADMIN) as admin:
        admin.execute("delete from ops.ingest_services")
        admin.execute("delete from ops.refreshers")
