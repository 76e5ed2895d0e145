"""Incidents that stand in the warehouse: checks, runs, halts, late assets, sessions in the way, crash loops.

Each query says what is wrong now: nothing is remembered between two looks, and nothing ends but with its subject.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

import psycopg

from shop_platform.monitoring import incident as kinds
from shop_platform.monitoring.findings_runs import failed_assets, failed_checks, failed_jobs, topic_cause
from shop_platform.monitoring.incident import CRITICAL, WARNING, Incident, key
from shop_platform.monitoring.services import about
from shop_platform.warehouse.blockers import sessions_in_the_way

Connection = psycopg.Connection[Any]

_RESTARTS, _RESTARTS_WITHIN_SECONDS, _SETTLED_SECONDS = 3, 300, 45
_FROZEN_SECONDS = 30


def everything(connection: Connection) -> list[Incident]:
    """Return what is wrong according to the warehouse."""
    looks = (halts, failed_checks, failed_assets, failed_jobs, late, blockers, frozen, restarting)
    return [found for look in looks for found in look(connection)]


def halts(connection: Connection) -> list[Incident]:
    """Return one incident per halt of the ingestion that waits for a decision; its command is in the reason."""
    rows = connection.execute(
        "select topic, partition, reason, message, resolution, first_seen_at from ops.ingest_halts"
        " where resolved_at is null order by halt_id"
    ).fetchall()
    return [
        Incident(
            key(kinds.HALT, topic if partition is None else f"{topic}/{partition}", reason),
            CRITICAL,
            f"{topic if partition is None else f'{topic}, partition {partition},'} is not read any further",
            f"{message}. {resolution}",
            "halted",
            cause=topic_cause(topic.rpartition(".")[2]),
            since=since,
        )
        for topic, partition, reason, message, resolution, since in rows
    ]


def late(connection: Connection) -> list[Incident]:
    """Return one incident per layer with assets older than promised: when a pipeline stands, all are late at once."""
    layers: dict[str, list[tuple[str, str, dt.datetime]]] = defaultdict(list)
    for asset, promise, since in connection.execute(
        "select asset, promise, since from ops.late_assets order by asset"
    ).fetchall():
        layers[asset.partition("/")[0]].append((asset, promise, since))
    return [
        Incident(
            key(kinds.LATE, layer),
            WARNING,
            f"{layer}: {len(assets)} {'asset is' if len(assets) == 1 else 'assets are'} older than promised",
            assets[0][1],
            "stale",
            assets=tuple(asset for asset, _, _ in assets),
            since=min(since for _, _, since in assets),
        )
        for layer, assets in sorted(layers.items())
    ]


def blockers(connection: Connection) -> list[Incident]:
    """Return one incident per session whose open transaction a build waits for."""
    return [
        Incident(
            key(kinds.BLOCKER, blocker.pid),
            WARNING,
            "a session keeps a build waiting",
            blocker.sentence(),
            "marts-stale",
        )
        for blocker in sessions_in_the_way(connection)
    ]


def frozen(connection: Connection) -> list[Incident]:
    """Return one incident per service that was found frozen, and was ended for it, until it is up again.

    For half a minute at least, and for ten at most: then what is away is told as that. What fell silent later than
    soon after it was found frozen is another matter.
    """
    rows = connection.execute(
        "select distinct on (service) service, e.detail, e.at from ops.service_events as e"
        " left join ops.service_states as s using (service)"
        " where happened = 'frozen' and at > clock_timestamp()"
        " - case when not s.up and s.since < at + interval '45 seconds' then interval '10 minutes'"
        " else make_interval(secs => %s) end order by service, at desc",
        [_FROZEN_SECONDS],
    ).fetchall()
    return [
        Incident(
            key(kinds.FROZEN, service), WARNING, f"{_called(service)} was frozen", detail, "frozen",
            cause=key(kinds.SERVICE, service), since=at,
        )
        for service, detail, at in rows
    ]  # fmt: skip


def restarting(connection: Connection) -> list[Incident]:
    """Return one incident per service that keeps ending: it ended thrice in five minutes and is not up for long yet."""
    rows = connection.execute(
        """
        select distinct on (service) service, greatest(ends, starts - 1), last_detail, first_at from (
            select
                service, process,
                count(*) filter (where happened = 'ended') as ends,
                count(*) filter (where happened = 'started') as starts,
                min(at) as first_at,
                max(at) filter (where happened = 'ended') as last_end,
                max(at) filter (where happened = 'started') as last_start,
                (array_agg(detail order by at desc) filter (where happened = 'ended'))[1] as last_detail
            from ops.service_events where at > clock_timestamp() - make_interval(secs => %(window)s)
            group by service, process
        ) as recent
        where greatest(ends, starts - 1) >= %(often)s
            and (
                last_start is null or last_start < last_end
                or last_start > clock_timestamp() - make_interval(secs => %(settled)s)
            )
        order by service
        """,
        {"window": _RESTARTS_WITHIN_SECONDS, "often": _RESTARTS, "settled": _SETTLED_SECONDS},
    ).fetchall()
    return [
        Incident(
            key(kinds.RESTARTING, service),
            CRITICAL,
            f"{_called(service)} keeps ending",
            f"It ended {often} times in five minutes. {detail or ''}".rstrip(),
            "frozen",
            cause=key(kinds.SERVICE, service),
            since=since,
        )
        for service, often, detail, since in rows
    ]


def _called(service: str) -> str:
    try:
        return about(service).called
    except KeyError:
        return service
