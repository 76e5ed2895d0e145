-- Incidents: what is wrong, since when, and whether somebody was told; and what a failed run did not build.

alter table ops.pipeline_runs add column failed_assets text[] not null default '{}';
comment on column ops.pipeline_runs.failed_assets is
    'Of a failed run: the assets that failed themselves, or, when none is known to, those it should have built.';

-- Has this run been written? The refresher's rows, which are most, need no answer.
create index asset_materializations_run on ops.asset_materializations (source) where source <> 'refresher';

create table ops.alerts (
    alert_id bigint generated always as identity primary key,
    incident text not null,
    severity text not null check (severity in ('critical', 'warning')),
    title text not null,
    detail text not null default '',
    assets text[] not null default '{}',
    run_id text,
    runbook text not null,
    opened_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    told_at timestamptz,
    end_told_at timestamptz,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default clock_timestamp(),
    last_error text
);
comment on table ops.alerts is
    'One row per incident from its beginning to its end. told_at, end_told_at: when the webhook took the news of either.';
-- An incident is open once, whoever finds it and however often.
create unique index alerts_open on ops.alerts (incident) where resolved_at is null;
create index alerts_opened_at on ops.alerts (opened_at desc);

grant select, insert, update on ops.alerts to shop_orchestrator;
grant select on ops.alerts to shop_transform, shop_dashboard, shop_grafana;
