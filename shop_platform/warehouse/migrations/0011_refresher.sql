-- The resident refresher: its sign of life, how each hot model fares, and what was materialized by whom.

create table ops.refreshers (
    refresher text not null primary key,
    started_at timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp(),
    state text not null,
    reason text not null default '',
    build_seconds double precision
);
comment on table ops.refreshers is
    'One row per living refresher; the row goes when it ends, and stands still when it was killed.';

create table ops.hot_models (
    model text not null primary key,
    attempted_at timestamptz not null,
    built_at timestamptz,
    seconds double precision not null,
    failures integer not null default 0,
    error text
);
comment on table ops.hot_models is
    'The refresher''s last attempt at each hot model (schema.table). failures: in a row, 0 after a success.';

create table ops.asset_materializations (
    asset_materialization_id bigint generated always as identity primary key,
    asset text not null,
    source text not null,
    builds integer not null default 1,
    seconds double precision not null,
    row_count bigint,
    materialized_at timestamptz not null default clock_timestamp()
);
comment on table ops.asset_materializations is
    'What was materialized, by which run (`run:<id>`) or by the refresher, which adds up its builds of an interval:'
    ' builds, their seconds and rows written together.';
create index asset_materializations_materialized_at on ops.asset_materializations (materialized_at desc);

grant select, insert, update, delete on ops.refreshers, ops.hot_models to shop_orchestrator;
grant select, insert on ops.asset_materializations to shop_orchestrator;
grant select on ops.refreshers, ops.hot_models, ops.asset_materializations
    to shop_transform, shop_dashboard, shop_grafana;
