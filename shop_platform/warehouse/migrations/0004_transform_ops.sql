-- What the transformation and the orchestration remember.

create table ops.transform_runs (
    invocation_id text not null primary key,
    ceiling xid8 not null,
    started_at timestamptz not null default now()
);
comment on table ops.transform_runs is
    'One row per dbt invocation: every model of it reads raw rows with _xid below the same ceiling.';

create table ops.model_watermarks (
    model text not null primary key,
    ceiling xid8 not null,
    invocation_id text not null,
    built_at timestamptz not null default clock_timestamp()
);
comment on table ops.model_watermarks is
    'Up to which ceiling each model (schema.table) has been built; written in the transaction that builds it.';

create table ops.pipeline_runs (
    run_id text not null primary key,
    job text not null,
    status text not null,
    trigger text not null default 'manual',
    started_at timestamptz,
    ended_at timestamptz,
    duration_seconds double precision generated always as (extract(epoch from ended_at - started_at)) stored,
    failed_step text,
    error text,
    updated_at timestamptz not null default now()
);
comment on table ops.pipeline_runs is 'Every Dagster run, its outcome and, when it failed, where and why.';
create index pipeline_runs_started_at on ops.pipeline_runs (started_at desc);

create table ops.check_results (
    check_result_id bigint generated always as identity primary key,
    run_id text not null,
    asset text not null,
    check_name text not null,
    passed boolean not null,
    severity text not null,
    description text,
    checked_at timestamptz not null default clock_timestamp()
);
comment on table ops.check_results is 'Every asset check (dbt tests included) that ran in Dagster.';
create index check_results_checked_at on ops.check_results (checked_at desc);

create table ops.reconciliations (
    reconciliation_id bigint generated always as identity primary key,
    holds boolean not null,
    produced bigint,
    landed bigint not null,
    dead_lettered bigint not null,
    duplicates bigint not null,
    missing bigint not null,
    unexpected bigint not null,
    detail jsonb not null default '{}',
    checked_at timestamptz not null default clock_timestamp()
);
comment on table ops.reconciliations is 'Every check of invariant I1: produced = landed + dead-lettered.';

grant select, insert on ops.transform_runs to shop_transform;
grant select, insert, update, delete on ops.model_watermarks to shop_transform;
grant select, insert, update on ops.pipeline_runs to shop_orchestrator;
grant select, insert on ops.check_results, ops.reconciliations to shop_orchestrator;
grant select on ops.transform_runs, ops.model_watermarks, ops.pipeline_runs, ops.check_results, ops.reconciliations
    to shop_transform, shop_orchestrator, shop_dashboard, shop_grafana;


-- `shop verify` compares the producer's ledger in a temporary table.
do $$ begin
    execute format('grant temporary on database %I to shop_orchestrator', current_database());
end $$;
