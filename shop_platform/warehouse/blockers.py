"""Which sessions keep a build from putting a new mart into the place of the old one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

# What a build runs while it tries (dbt_project/macros/adapter/rename.sql).
_TRIES = "%do $rename$%"

_IN_THE_WAY = """
select
    holder.pid,
    holder.usename,
    holder.application_name,
    coalesce(host(holder.client_addr), 'this machine'),
    extract(epoch from clock_timestamp() - holder.xact_start)::int,
    array_agg(distinct format('%%s.%%s', relation.relnamespace::regnamespace, relation.relname))
from pg_locks as held
join pg_stat_activity as holder using (pid)
join pg_class as relation on relation.oid = held.relation
where held.granted
    and held.database = (select oid from pg_database where datname = current_database())
    and relation.relkind in ('r', 'v', 'p')
    and relation.relnamespace in (
        select oid from pg_namespace where nspname in ('staging', 'intermediate', 'marts')
    )
    and holder.usename <> 'shop_transform'
    and exists (
        select from pg_stat_activity as build
        where build.usename = 'shop_transform' and build.state = 'active' and build.query like %s
    )
group by holder.pid, holder.usename, holder.application_name, holder.client_addr, holder.xact_start
order by holder.xact_start
"""


@dataclass(frozen=True)
class Blocker:
    """One session whose open transaction a build waits for."""

    pid: int
    user: str
    application: str
    address: str
    seconds: int
    relations: tuple[str, ...]

    def sentence(self) -> str:
        """Say who it is, since when, and how to end it."""
        program = f" ({self.application})" if self.application else ""
        return (
            f"{self.user}{program} from {self.address} has held {', '.join(self.relations)} in one transaction"
            f" for {self.seconds} s, and a build waits for its end. To end it: select pg_terminate_backend({self.pid})"
        )


def sessions_in_the_way(connection: psycopg.Connection[Any]) -> list[Blocker]:
    """Return the sessions that a build waits for right now, the oldest transaction first."""
    rows = connection.execute(_IN_THE_WAY, [_TRIES]).fetchall()
    return [
        Blocker(pid, user, application, address, seconds or 0, tuple(sorted(relations)))
        for pid, user, application, address, seconds, relations in rows
    ]
