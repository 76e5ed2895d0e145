-- Schemas, and who may enter them. (Schema ops is made with the migrations table.) Roles themselves (with their passwords) are made by `shop migrate` beforehand,
-- because roles belong to the cluster and passwords do not belong into a file.
create schema raw;
create schema staging authorization shop_transform;
create schema intermediate authorization shop_transform;
create schema marts authorization shop_transform;
create schema ml authorization shop_orchestrator;

revoke all on schema public from public;

-- dbt makes its own schemas for developers, pull requests and `shop verify`.
do $$ begin execute format('grant create, temporary on database %I to shop_transform', current_database()); end $$;

grant usage on schema raw to shop_ingest, shop_transform, shop_orchestrator;
grant usage on schema ops to shop_ingest, shop_transform, shop_orchestrator, shop_dashboard, shop_grafana;
grant usage on schema marts to shop_orchestrator, shop_dashboard, shop_grafana;
grant usage on schema ml to shop_transform, shop_dashboard, shop_grafana;

alter default privileges for role shop_transform in schema marts
    grant select on tables to shop_orchestrator, shop_dashboard, shop_grafana;
alter default privileges for role shop_orchestrator in schema ml
    grant select on tables to shop_transform, shop_dashboard, shop_grafana;
