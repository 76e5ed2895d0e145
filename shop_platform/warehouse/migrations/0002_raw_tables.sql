-- One raw table per topic. Envelope columns are typed, the payload stays JSON so that new fields flow through.
--
-- event_id   the CloudEvents id, a UUID. The primary key is what makes a producer's repetition land once.
-- _xid       the writing transaction: the watermark of incremental models. A clock or a sequence would not do: a slow
--            transaction may commit below a value that was already read, and its rows would be lost for ever.
-- subject    the entity (and Kafka key): incremental models recompute an entity from all its events.
do $$
declare
    area text;
begin
    foreach area in array array['customers', 'products', 'inventory', 'web', 'orders', 'returns', 'marketing'] loop
        execute format($ddl$
            create table raw.%1$I (
                event_id uuid not null,
                event_type text not null,
                source text not null,
                subject text not null,
                event_time timestamptz not null,
                data jsonb not null,
                kafka_partition integer not null,
                kafka_offset bigint not null,
                ingested_at timestamptz not null default now(),
                _xid xid8 not null default pg_current_xact_id(),
                constraint %2$I primary key (event_id)
            )
        $ddl$, area, area || '_pk');
        execute format('create index %I on raw.%I (_xid)', area || '_xid', area);
        execute format('create index %I on raw.%I (subject)', area || '_subject', area);
        execute format('comment on table raw.%I is %L', area,
            'Every valid event of topic shop.' || area || ', once. Grain: one event.');
        execute format('grant select, insert on raw.%I to shop_ingest', area);
        execute format('grant select on raw.%I to shop_transform, shop_orchestrator', area);
    end loop;
end $$;

-- Repetitions are sorted out in a temporary table.
do $$ begin execute format('grant temporary on database %I to shop_ingest', current_database()); end $$;
