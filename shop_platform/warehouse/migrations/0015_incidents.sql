-- What is wrong now, kept where it is found, so that an incident ends when its subject is well and for no other reason.

-- The latest result of each check. Incidents are made of these: a run that failed before a check ran says nothing of it.
create table ops.check_states (
    asset text not null,
    check_name text not null,
    passed boolean not null,
    severity text not null,
    description text,
    run_id text not null,
    checked_at timestamptz not null,
    failing_since timestamptz,
    found_by text,
    pages boolean not null,
    constraint check_states_pk primary key (asset, check_name)
);
comment on table ops.check_states is
    'The latest result of every check. failing_since, found_by: the first of the failures in a row, and the run that found it. pages:'
    ' somebody is to be told; the failure of a run that a person started is told to that person by Dagster.';

create function ops.keep_check_state() returns trigger
language plpgsql set search_path = pg_catalog as $$
declare
    fails boolean := not new.passed and new.severity = 'error';
    from_a_person boolean := exists (
        select from ops.pipeline_runs as run where run.run_id = new.run_id and run.trigger = 'manual'
    );
begin
    insert into ops.check_states as known (
        asset, check_name, passed, severity, description, run_id, checked_at, failing_since, found_by, pages
    ) values (
        new.asset, new.check_name, new.passed, new.severity, new.description, new.run_id, new.checked_at,
        case when fails then new.checked_at end, case when fails then new.run_id end, fails and not from_a_person
    )
    on conflict (asset, check_name) do update set
        passed = excluded.passed,
        severity = excluded.severity,
        description = excluded.description,
        run_id = excluded.run_id,
        checked_at = excluded.checked_at,
        failing_since = case when fails then coalesce(known.failing_since, excluded.failing_since) end,
        found_by = case
            when excluded.pages and not known.pages then excluded.found_by
            when fails then coalesce(known.found_by, excluded.found_by)
        end,
        pages = fails and (known.pages or excluded.pages)
    -- A run is recorded when it has ended: its results may be older than those of the refresher.
    where known.checked_at <= excluded.checked_at;
    return null;
end
$$;
create trigger keep_check_state after insert on ops.check_results
    for each row execute function ops.keep_check_state();

insert into ops.check_states
select
    asset, check_name, passed, severity, description, run_id, checked_at,
    case when not passed and severity = 'error' then checked_at end,
    case when not passed and severity = 'error' then run_id end,
    not passed and severity = 'error'
from (
    select distinct on (asset, check_name) * from ops.check_results order by asset, check_name, checked_at desc
) as latest;

-- Why an asset was not built. A failed run without a row here gave a reason that names no asset.
create table ops.asset_failures (
    run_id text not null,
    asset text not null,
    reason text not null,
    failed_at timestamptz not null,
    gone boolean not null default false,
    constraint asset_failures_pk primary key (run_id, asset)
);
comment on table ops.asset_failures is
    'The assets that a failed run named as its reason, and what it said. gone: nobody defines the asset any more.';
create index asset_failures_failed_at on ops.asset_failures (failed_at desc);
create index asset_materializations_asset on ops.asset_materializations (asset, materialized_at desc);

-- What breaks its freshness policy: Dagster knows, and writes it here for whoever tells.
create table ops.late_assets (
    asset text not null primary key,
    promise text not null,
    since timestamptz not null default clock_timestamp()
);
comment on table ops.late_assets is 'The assets that break their freshness policy now, and why they promise their age.';

create table ops.service_events (
    service_event_id bigint generated always as identity primary key,
    service text not null,
    happened text not null check (happened in ('started', 'ended', 'frozen')),
    process text not null default '',
    detail text not null default '',
    at timestamptz not null default clock_timestamp()
);
comment on table ops.service_events is 'Starts and ends of long-running processes, by those who start them or by themselves.';
create index service_events_at on ops.service_events (at desc);

create table ops.service_states (
    service text not null primary key,
    up boolean not null,
    detail text not null default '',
    since timestamptz not null default clock_timestamp(),
    looked_at timestamptz not null default clock_timestamp()
);
comment on table ops.service_states is
    'Every service as the monitor saw it last. The row `monitor` stands still when nobody would be told of anything.';

alter table ops.alerts
    add column cause text not null default '',
    add column beneath bigint references ops.alerts (alert_id) on delete set null;
comment on column ops.alerts.cause is 'What this incident comes of: the key of another one, or `run:<id>`.';
comment on column ops.alerts.beneath is 'The alert whose message told of this one.';
-- They had other names; what goes on is told once more under its new one.
update ops.alerts set resolved_at = clock_timestamp(), end_told_at = clock_timestamp() where resolved_at is null;

grant select, insert, update, delete
    on ops.check_states, ops.late_assets, ops.service_states to shop_orchestrator;
grant select, insert, update on ops.asset_failures to shop_orchestrator;
grant select, insert on ops.service_events to shop_orchestrator;
grant insert on ops.service_events to shop_ingest;
grant select on ops.check_states, ops.asset_failures, ops.late_assets, ops.service_events, ops.service_states
    to shop_transform, shop_dashboard, shop_grafana;
