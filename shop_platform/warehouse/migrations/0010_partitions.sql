-- raw.web, by far the largest table, in one partition per year of its ids; and what retention removes is written down.
--
-- The first 48 bits of an id are the milliseconds of its making (UUID version 7, which the contract recommends; version 8
-- of imports), so a range of ids is a range of time, and the primary key can stay the id alone: exactly once needs that.
--
-- web_before     everything below the first year that has a partition of its own
-- web_y<year>    the ids of a year (UTC), made a year ahead by ops.ensure_partitions
-- web_default    ids above all those: random ones (version 4), clocks far ahead, a year whose partition was not made
--
-- Which tables are partitioned, and why by year: docs/warehouse.md.

create function ops.first_id_at(instant timestamptz) returns uuid
language sql immutable strict
set search_path = ''
return rpad(lpad(to_hex(floor(extract(epoch from instant) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
comment on function ops.first_id_at(timestamptz) is 'The lowest id that a UUID of version 7 or 8 can have at an instant.';

create function ops.time_of_id(id uuid) returns timestamptz
language sql immutable strict
set search_path = ''
begin atomic
    -- In whole numbers: to_timestamp counts in floating point and misses a microsecond.
    select (
        timestamp '1970-01-01' + t.ms / 1000 * interval '1 second' + t.ms % 1000 * interval '1 millisecond'
    ) at time zone 'UTC'
    from (select ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint as ms) as t;
end;
comment on function ops.time_of_id(uuid) is
    'The instant that an id of version 7 or 8 begins with; of another version: anything between 1970 and 10889.';

create view ops.partitions as
with bounds as (
    select
        'raw.' || parent.relname as relation,
        child.oid as partition_oid,
        child.relname as partition,
        pg_get_expr(child.relpartbound, child.oid) as bound,
        child.reltuples as row_estimate
    from pg_catalog.pg_inherits as p
    join pg_catalog.pg_class as child on child.oid = p.inhrelid
    join pg_catalog.pg_class as parent on parent.oid = p.inhparent
    where parent.relkind = 'p' and child.relkind in ('r', 'p') and parent.relnamespace = 'raw'::regnamespace
)
select
    relation,
    partition,
    bound = 'DEFAULT' as is_default,
    ops.time_of_id(substring(bound from 'FROM \(''([0-9a-f-]{36})''\)')::uuid) as from_time,
    ops.time_of_id(substring(bound from 'TO \(''([0-9a-f-]{36})''\)')::uuid) as until_time,
    greatest(row_estimate, 0)::bigint as row_estimate,
    partition_oid
from bounds;
comment on view ops.partitions is
    'Partitions of raw tables and the times of their ids; from_time is null for the first one. Rows: an estimate.';

-- Runs with its owner's rights, so that the ingestion and Dagster can have it done without any right to change tables.
create function ops.ensure_partitions() returns setof text
language plpgsql
security definer
set search_path = ''
-- Whoever waits for a table makes everybody behind it wait: rather try again at the next call.
set lock_timeout = '3s'
as $$
declare
    relation text;
    edge timestamptz;
    upper_edge timestamptz;
    -- To the end of next year: who calls once a year is in time.
    wanted constant timestamptz := date_trunc('year', now(), 'UTC') + interval '2 years';
    made text;
begin
    perform pg_advisory_xact_lock(7203004);
    for relation, edge in
        select p.relation, max(p.until_time) from ops.partitions as p group by p.relation order by p.relation
    loop
        while edge < wanted loop
            upper_edge := date_trunc('year', edge, 'UTC') + interval '1 year';
            execute format('lock table raw.%I in access exclusive mode', split_part(relation, '.', 2) || '_default');
            made := split_part(relation, '.', 2) || '_y' || extract(year from edge at time zone 'UTC');
            execute format('create table raw.%I (like %s including defaults including storage)', made, relation);
            -- Ids of that year have been waiting where everything lands that belongs nowhere.
            execute format(
                'with waiting as (delete from raw.%I where event_id >= %L and event_id < %L returning *)'
                ' insert into raw.%I select * from waiting',
                split_part(relation, '.', 2) || '_default', ops.first_id_at(edge), ops.first_id_at(upper_edge), made
            );
            execute format(
                'alter table %s attach partition raw.%I for values from (%L) to (%L)',
                relation, made, ops.first_id_at(edge), ops.first_id_at(upper_edge)
            );
            edge := upper_edge;
            return next made;
        end loop;
        -- Autovacuum analyzes the partitions and never the table above them.
        if (
            select coalesce(t.last_analyze, '-infinity') < now() - interval '1 day'
            from pg_catalog.pg_stat_all_tables as t where t.relid = relation::regclass
        ) then
            execute format('analyze only %s', relation);
        end if;
    end loop;
end
$$;
comment on function ops.ensure_partitions() is
    'Makes the partitions of raw tables up to the end of next year, returns the new ones; once a day also statistics of the'
    ' tables above them. Safe to repeat, and twice at once.';
revoke execute on function ops.ensure_partitions() from public;
grant execute on function ops.ensure_partitions() to shop_ingest, shop_orchestrator;

-- The table that is there becomes a partition as it is: it is read once to prove its range, not copied.
do $$
declare
    boundary timestamptz := date_trunc('year', now(), 'UTC');
    views record;
    definitions text[] := '{}';
    definition text;
    rows bigint;
    above bigint;
    old_name text;
    new_name text;
begin
    lock table raw.web in access exclusive mode;
    -- A view is bound to a table, not to its name: those on the old table are defined again, on the new one.
    for views in
        select distinct v.oid, v.oid::regclass as view
        from pg_depend as d
        join pg_rewrite as r on r.oid = d.objid
        join pg_class as v on v.oid = r.ev_class and v.relkind = 'v'
        where d.classid = 'pg_rewrite'::regclass and d.refobjid = 'raw.web'::regclass
    loop
        definitions := definitions || format('create or replace view %s as %s', views.view, pg_get_viewdef(views.oid));
    end loop;

    if not exists (select from raw.web) then
        -- An import may bring two years and more: those two have partitions of their own.
        boundary := boundary - interval '2 years';
    elsif exists (
        select from raw.web
        where event_id >= ops.first_id_at(boundary) and event_id < ops.first_id_at(boundary + interval '1 year')
    ) then
        -- The old table keeps the ids of this year; the first partition of a year is next year's.
        boundary := boundary + interval '1 year';
    end if;
    select count(*), count(*) filter (where event_id >= ops.first_id_at(boundary)) into rows, above from raw.web;
    -- Ids in order of time: what lies above is the exception and moves. Random ids: it is the rule, and stays.
    old_name := case when above * 2 <= rows then 'web_before' else 'web_default' end;
    new_name := case when old_name = 'web_before' then 'web_default' else 'web_before' end;

    execute format('alter table raw.web rename to %I', old_name);
    execute format('alter table raw.%I rename constraint web_pk to %I', old_name, old_name || '_pkey');
    execute format('alter index raw.web_xid rename to %I', old_name || '__xid_idx');
    execute format('alter index raw.web_subject rename to %I', old_name || '_subject_idx');
    execute format('alter index raw.web_session_customer rename to %I', old_name || '_expr_idx');

    execute format(
        'create table raw.web (like raw.%I including defaults including storage, constraint web_pk primary key (event_id))'
        ' partition by range (event_id)', old_name
    );
    create index web_xid on raw.web (_xid);
    create index web_subject on raw.web (subject);
    create index web_session_customer on raw.web ((data ->> 'customer_id'))
        where starts_with(event_type, 'shop.web.session_started.v') and data ->> 'customer_id' is not null;
    comment on table raw.web is 'Every valid event of topic shop.web, once. Grain: one event. Partitioned by id.';
    grant select, insert on raw.web to shop_ingest;
    grant select on raw.web to shop_transform, shop_orchestrator;

    execute format('create table raw.%I (like raw.web including defaults including storage)', new_name);
    execute format(
        'with moved as (delete from raw.%I where %s ops.first_id_at(%L) returning *) insert into raw.%I select * from moved',
        old_name, case when old_name = 'web_before' then 'event_id >=' else 'event_id <' end, boundary, new_name
    );
    -- The default first: alone it takes everything and need not be read.
    alter table raw.web attach partition raw.web_default default;
    execute format(
        'alter table raw.web attach partition raw.web_before for values from (minvalue) to (%L)', ops.first_id_at(boundary)
    );
    -- The partitions keep rights of the old table: nobody needs any on a partition.
    execute format('revoke all on raw.%I from shop_ingest, shop_transform, shop_orchestrator', old_name);
    comment on table raw.web_before is 'Events of web whose ids are below those of the first year with a partition.';
    comment on table raw.web_default is 'Events of web whose ids belong to no year: random ones, or far ahead of now.';
    foreach definition in array definitions loop
        execute definition;
    end loop;
    perform ops.ensure_partitions();
end
$$;

create table ops.retention_runs (
    retention_run_id bigint generated always as identity,
    relation text not null,
    older_than timestamptz not null,
    rows_removed bigint not null,
    detail jsonb not null default '{}',
    actor text not null,
    removed_at timestamptz not null default clock_timestamp(),
    constraint retention_runs_pk primary key (retention_run_id)
);
comment on table ops.retention_runs is 'What `shop retention` removed: from which table, older than when, by whom.';

create table ops.retention_hours (
    topic text not null,
    partition integer not null,
    event_hour timestamptz,
    rows_removed bigint not null,
    constraint retention_hours_grain unique nulls not distinct (topic, partition, event_hour)
);
comment on table ops.retention_hours is
    'Events that retention removed from raw, per topic, partition and hour of event time: I1 counts them as landed.';

grant select on ops.partitions, ops.retention_runs, ops.retention_hours
    to shop_ingest, shop_transform, shop_orchestrator, shop_dashboard, shop_grafana;

alter table ops.reconciliations add column expired bigint not null default 0;
comment on column ops.reconciliations.expired is 'Events that had landed and were removed by retention.';
comment on column ops.reconciliation.landed is 'Rows that are in the raw table now, and those that retention removed.';
