"""Take the right to build away from whoever holds it."""

from __future__ import annotations

from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import TRANSFORM_LOCK


def end_the_builder_s_session(settings: Settings) -> None:
    """Do to the session that holds the lock of builds what a restart of the server does."""
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        ended = admin.execute(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and objid = %s"
            " and database = (select oid from pg_database where datname = current_database())",
            [TRANSFORM_LOCK],
        ).fetchall()
    assert ended == [(True,)]
