"""The alert rules, and whom they tell."""

# ruff: noqa: S608 - every part of these queries is a constant of this package.
from __future__ import annotations

from dataclasses import dataclass

from grafana.boards import target
from grafana.measures import BLOCKING, FAILED, LAG_LIMIT, MARTS_LIMIT, MARTS_WAITING, SECONDS_BEHIND, using
from grafana.model import DATASOURCE, Json, Query

FOLDER = "Shop alerts"
RECEIVER = "shop-on-call"
WEBHOOK_VARIABLE = "SHOP_ALERT_WEBHOOK_URL"
RUNBOOK_VARIABLE = "SHOP_RUNBOOK_URL"
_WEEK = 7 * 24 * 3600
# The checks of the raw tables run every ten minutes. One may wait behind a long run, two in a row do not come.
_SILENT_SECONDS = 25 * 60


@dataclass(frozen=True)
class Rule:
    """One rule: each row of ``sql`` is an alert instance, named by its text columns, judged by its one number.

    No row at all is NoData on purpose: it says that the thing has never been measured.
    """

    uid: str
    title: str
    sql: str
    above: float
    pending_for: str
    severity: str
    summary: str
    description: str
    runbook: str
    range_seconds: int = 600


RULES = (
    Rule(
        uid="shop-ingestion-behind",
        title="Ingestion is behind",
        sql=using(SECONDS_BEHIND, "select topic, seconds_behind from behind"),
        above=LAG_LIMIT,
        pending_for="2m",
        severity="critical",
        summary="{{ .Labels.topic }} is more than five minutes behind",
        description=(
            "Messages wait in Kafka and nothing has been committed for five minutes, or the backlog needs longer than "
            "that, or nobody measures the lag any more. Is an ingest process up (pipeline board, Ingest services)? "
            "Its log says why it stopped; it never skips a message by itself."
        ),
        runbook="ingestion-behind",
    ),
    Rule(
        uid="shop-pipeline-failed",
        title="A pipeline run or its checks failed",
        sql=f"""\
select 'job ' || job as subject, (case when {FAILED} then 1 else 0 end)::double precision as failures
from (
    select distinct on (job) job, status
    from ops.pipeline_runs
    where $__timeFilter(ended_at)
    order by job, ended_at desc
) as last_runs
union all
select 'checks of ' || asset, (count(*) filter (where not passed and {BLOCKING}))::double precision
from (
    select distinct on (asset, check_name) asset, check_name, passed, severity
    from ops.check_results
    where $__timeFilter(checked_at)
    order by asset, check_name, checked_at desc
) as last_checks
group by asset
order by 1""",
        above=0,
        pending_for="0s",
        severity="critical",
        summary="The last outcome of {{ .Labels.subject }} is a failure",
        description=(
            "The last run of the job failed, or checks of the asset found wrong data. The pipeline board names the "
            "step and the error; the alert ends when the job or the check succeeds."
        ),
        runbook="run-failed",
        range_seconds=_WEEK,
    ),
    Rule(
        uid="shop-marts-stale",
        title="Marts are stale",
        sql=using(
            MARTS_WAITING,
            """
            select model as subject, seconds_waiting as seconds from waiting
            union all
            select 'events of the shop', greatest(extract(epoch from now() - max(max_event_time)), 0)::double precision
            from marts.data_freshness
            having max(max_event_time) is not null
            order by 1
            """,
        ),
        above=MARTS_LIMIT,
        pending_for="5m",
        severity="warning",
        summary="{{ .Labels.subject }}: nothing new for more than half an hour",
        description=(
            "A mart misses events that landed more than half an hour ago, or the shop itself has been silent for that "
            "long. In the first case look at the transform runs, in the second at the source of the events."
        ),
        runbook="marts-stale",
    ),
    Rule(
        uid="shop-orchestration-silent",
        title="Dagster is silent",
        sql="""\
select 'Dagster' as subject, greatest(extract(epoch from now() - max(ended_at)), 0)::double precision as seconds
from ops.pipeline_runs
having max(ended_at) is not null""",
        above=_SILENT_SECONDS,
        pending_for="1m",
        severity="critical",
        summary="No run of Dagster has ended for 25 minutes, and one ends every ten",
        description=(
            "Its daemon or the code location of the ingestion is away, so that nobody checks the raw tables or alerts "
            "from there. The continuous services go on."
        ),
        runbook="code-location",
    ),
)


def rules_document() -> Json:
    """Return the provisioning file of the rules."""
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": "pipeline",
                "folder": FOLDER,
                "interval": "1m",
                "rules": [_rule(rule) for rule in RULES],
            }
        ],
    }


def contact_points_document() -> Json:
    """Return the provisioning file of the one contact point, a webhook that the environment names."""
    receiver = {
        "uid": "shop-on-call-webhook",
        "type": "webhook",
        "settings": {"url": f"${{{WEBHOOK_VARIABLE}}}", "httpMethod": "POST"},
        "disableResolveMessage": False,
    }
    return {"apiVersion": 1, "contactPoints": [{"orgId": 1, "name": RECEIVER, "receivers": [receiver]}]}


def policies_document() -> Json:
    """Return the provisioning file of the notification policy: everything to the contact point, critical sooner."""
    return {
        "apiVersion": 1,
        "policies": [
            {
                "orgId": 1,
                "receiver": RECEIVER,
                "group_by": ["grafana_folder", "alertname"],
                "group_wait": "30s",
                "group_interval": "5m",
                "repeat_interval": "12h",
                "routes": [
                    {
                        "receiver": RECEIVER,
                        "object_matchers": [["severity", "=", "critical"]],
                        "group_by": ["grafana_folder", "alertname"],
                        "group_wait": "10s",
                        "group_interval": "5m",
                        "repeat_interval": "2h",
                    }
                ],
            }
        ],
    }


def _rule(rule: Rule) -> Json:
    measured = {
        "refId": "A",
        "relativeTimeRange": {"from": rule.range_seconds, "to": 0},
        "datasourceUid": DATASOURCE["uid"],
        "model": target(Query(rule.sql), "A"),
    }
    breached = {
        "refId": "B",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "type": "threshold",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [rule.above]}}],
        },
    }
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "B",
        "data": [measured, breached],
        "noDataState": "NoData",
        "execErrState": "Error",
        "for": rule.pending_for,
        "labels": {"severity": rule.severity, "service": "shop"},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"${{{RUNBOOK_VARIABLE}}}/{rule.runbook}.md",
        },
    }
