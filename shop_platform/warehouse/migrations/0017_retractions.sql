-- Landed events that a person took back: out of raw, kept here, counted as dead letters.

-- One row per retraction, kept when the event is restored: marts learn from it which entities they must build again,
-- because nothing in raw names them any more.
--
-- landed_xid        the transaction that had landed the row
-- session_landings  of a session's beginning: the transactions that landed an order which names the session, because what
--                   those orders changed when they landed was told with it (fct_late_events)
-- _xid              the transaction of the retraction: read as the _xid of a new row is
create table ops.retractions (
    retraction_id bigint generated always as identity,
    event_id uuid not null,
    topic text not null,
    event_type text not null,
    source text not null,
    subject text not null,
    event_time timestamptz not null,
    data jsonb not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    ingested_at timestamptz not null,
    landed_xid xid8 not null,
    session_id text generated always as (
        case when topic = 'shop.web' then subject else data ->> 'session_id' end
    ) stored,
    customer_id text generated always as (
        case when topic = 'shop.customers' then subject else data ->> 'customer_id' end
    ) stored,
    session_landings xid8[] not null default '{}',
    dead_letter_id bigint,
    retracted_at timestamptz not null default clock_timestamp(),
    retracted_by text not null,
    because text not null,
    restored_at timestamptz,
    restored_by text,
    restored_because text,
    _xid xid8 not null default pg_current_xact_id(),
    constraint retractions_pk primary key (retraction_id),
    constraint retractions_restored check ((restored_at is null) = (restored_by is null))
);
comment on table ops.retractions is
    'Events that were taken out of raw by a person, with everything raw held of them. Grain: one retraction.';
-- The ingestion asks before each batch whether anything is retracted, and looks ids up only then.
create unique index retractions_standing on ops.retractions (event_id, topic) where restored_at is null;
create index retractions_xid on ops.retractions (_xid);
create index retractions_customer on ops.retractions (customer_id) where session_id is not null;

grant select, update (dead_letter_id, restored_at, restored_by, restored_because) on ops.retractions to shop_ingest;
grant select on ops.retractions to shop_transform, shop_orchestrator;
-- Rows from before hours were counted are counted without one.
grant select on ops.ingest_hours_since to shop_ingest;
grant select (retraction_id, event_id, topic, event_type, event_time, kafka_partition, kafka_offset, dead_letter_id,
    retracted_at, retracted_by, because, restored_at, restored_by, restored_because)
    on ops.retractions to shop_dashboard, shop_grafana;

-- Runs with its owner's rights: no service may delete from raw, and this leaves a record in the same statement.
create function ops.retract(area text, ids uuid[], who text, why text) returns setof ops.retractions
language plpgsql
security definer
set search_path = ''
as $$
begin
    if area <> all (array['customers', 'products', 'inventory', 'web', 'orders', 'returns', 'marketing']) then
        raise exception 'raw has no table %', area;
    end if;
    if btrim(who) = '' or btrim(why) = '' then
        raise exception 'a retraction needs a name and a reason';
    end if;
    return query execute format($sql$
        with gone as (
            delete from raw.%1$I where event_id = any($1) and not starts_with(event_type, 'shop.customer.erased.v')
            returning *
        )
        insert into ops.retractions (event_id, topic, event_type, source, subject, event_time, data, kafka_partition,
            kafka_offset, ingested_at, landed_xid, session_landings, retracted_by, because)
        select g.event_id, 'shop.%1$s', g.event_type, g.source, g.subject, g.event_time, g.data, g.kafka_partition,
            g.kafka_offset, g.ingested_at, g._xid, coalesce(l.landings, '{}'), $2, $3
        from gone as g
        left join (
            select o.data ->> 'session_id' as session_id, array_agg(distinct o._xid) as landings
            from raw.orders as o
            where starts_with(o.event_type, 'shop.order.placed.v')
                and o.data ->> 'session_id' in (
                    select s.subject from gone as s where starts_with(s.event_type, 'shop.web.session_started.v')
                )
            group by 1
        ) as l on l.session_id = g.subject and starts_with(g.event_type, 'shop.web.session_started.v')
        returning *
    $sql$, area) using ids, who, why;
end
$$;
comment on function ops.retract(text, uuid[], text, text) is
    'Moves events of raw.<area> to ops.retractions and returns them; a customer''s wish to be forgotten is left alone.';
revoke execute on function ops.retract(text, uuid[], text, text) from public;
grant execute on function ops.retract(text, uuid[], text, text) to shop_ingest;

alter table ops.dead_letters
    drop constraint dead_letters_status_check,
    add constraint dead_letters_status_check check (
        status in ('open', 'fixed', 'replayed', 'discarded', 'retracted')
    );
comment on column ops.dead_letters.status is
    'open: no valid event; fixed: a corrected value waits for its replay; replayed: the event is in raw;'
    ' discarded: given up, with a reason in ops.dead_letter_actions; retracted: it had landed, and a person took it back.';
alter table ops.dead_letter_actions
    drop constraint dead_letter_actions_action_check,
    add constraint dead_letter_actions_action_check check (
        action in ('fix', 'replay', 'discard', 'reopen', 'erase', 'retract', 'restore')
    ),
    drop constraint dead_letter_actions_outcome_check,
    add constraint dead_letter_actions_outcome_check check (outcome in (
        'fixed', 'landed', 'duplicate', 'still_invalid', 'discarded', 'reopened', 'erased', 'retracted', 'restored'
    )),
    drop constraint dead_letter_actions_reason,
    add constraint dead_letter_actions_reason check (action not in ('discard', 'retract') or reason is not null);
