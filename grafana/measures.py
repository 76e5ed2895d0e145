"""What panels and alerts both measure: written once, so that a red panel and a firing alert agree."""

# ruff: noqa: S608 - every part of these queries is a constant of this package.
from __future__ import annotations

from textwrap import dedent

# Service levels, in seconds.
LAG_LIMIT = 300
MARTS_LIMIT = 1800
# Roll-ups that are built once a night wait for it; late are those that missed it by two hours.
NIGHTLY_MARTS = ("basket_affinity", "cohort_retention")
NIGHTLY_GRACE = 26 * 3600
# A lag that nobody measured for this long is not known any more.
MEASUREMENT_GRACE = 120

SUCCEEDED = "status = 'success'"
FAILED = "status = 'failure'"
# The choice of topics at the head of the pipeline board.
CHOSEN_TOPICS = "topic in (${topic:sqlstring})"
# A warning may fail without making the data wrong.
BLOCKING = "severity = 'error'"

# Seconds behind, per topic: the age of the oldest unread message (or, while nobody has measured it, the time since the
# last commit), or the time the backlog needs at the pace of the last five minutes, or the age of a measurement that
# stopped. Nothing waiting and freshly measured is zero.
SECONDS_BEHIND = f"""\
with progress as (
    select topic,
           max(committed_at) as last_commit,
           sum(messages) filter (where committed_at > now() - interval '5 minutes') / 300.0 as messages_per_second
    from ops.ingest_batches
    where committed_at > now() - interval '1 day'
    group by topic
),
lag as (
    select topic,
           sum(lag) as records,
           extract(epoch from now() - min(measured_at)) as measurement_age,
           extract(epoch from now() - min(behind_since) filter (where lag > 0)) as oldest_age
    from ops.kafka_lag
    group by topic
),
behind as (
    select lag.topic,
           lag.records,
           greatest(
               case when lag.measurement_age > {MEASUREMENT_GRACE} then lag.measurement_age else 0 end,
               case when lag.records > 0
                   then coalesce(lag.oldest_age, extract(epoch from now() - progress.last_commit), 86400) else 0 end,
               case when lag.records > 0
                   then lag.records / nullif(progress.messages_per_second, 0) else 0 end
           )::double precision as seconds_behind
    from lag left join progress using (topic)
)"""

# Seconds that the oldest landed event has been waiting for each mart: events at or above the mart's ceiling are not
# in it yet. A day is the most it can say. A nightly roll-up has waited since it should have been built.
MARTS_WAITING = f"""\
with marts as (
    select model, ceiling, built_at
    from ops.model_watermarks
    where model like 'marts.%' and to_regclass(model) is not null
),
oldest as (
    select ceilings.ceiling, min(batches.committed_at) as waiting_since
    from (select distinct ceiling from marts) as ceilings
    left join ops.ingest_batches as batches
        on batches._xid >= ceilings.ceiling
        and batches.landed > 0
        and batches.committed_at > now() - interval '1 day'
    group by ceilings.ceiling
),
waiting as (
    select marts.model,
           marts.built_at,
           case when marts.model in ({", ".join(f"'marts.{mart}'" for mart in NIGHTLY_MARTS)})
               then greatest(extract(epoch from now() - marts.built_at) - {NIGHTLY_GRACE}, 0)
               else coalesce(extract(epoch from now() - oldest.waiting_since), 0)
           end::double precision as seconds_waiting
    from marts join oldest using (ceiling)
)"""

# The latest outcome of every check that ran in the range of the panel or alert.
LATEST_CHECKS = """\
with latest as (
    select distinct on (asset, check_name) asset, check_name, passed, severity, description, checked_at
    from ops.check_results
    where $__timeFilter(checked_at)
    order by asset, check_name, checked_at desc
)"""


def using(measure: str, sql: str) -> str:
    """Return ``sql`` behind the common table expressions of ``measure``."""
    return f"{measure}\n{dedent(sql).strip()}"
