-- What the ingestion remembers, committed in the same transaction as the rows.

create table ops.ingest_offsets (
    topic_id text not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null check (next_offset >= 0),
    writer text not null,
    updated_at timestamptz not null default now(),
    constraint ingest_offsets_pk primary key (topic_id, partition)
);
comment on table ops.ingest_offsets is
    'The next Kafka offset to read, per topic id (a recreated topic has another) and partition; locked by the writer.';

create table ops.ingest_batches (
    batch_id bigint generated always as identity,
    topic_id text not null,
    topic text not null,
    partition integer not null,
    first_offset bigint not null,
    next_offset bigint not null,
    messages integer not null,
    landed integer not null,
    duplicates integer not null,
    dead integer not null,
    min_event_time timestamptz,
    max_event_time timestamptz,
    writer text not null,
    started_at timestamptz not null,
    committed_at timestamptz not null default clock_timestamp(),
    _xid xid8 not null default pg_current_xact_id(),
    constraint ingest_batches_pk primary key (batch_id),
    constraint ingest_batches_add_up check (messages = landed + duplicates + dead),
    constraint ingest_batches_contiguous unique (topic_id, partition, first_offset)
);
comment on table ops.ingest_batches is
    'The ledger: what each partition delivered, batch by batch. messages = landed + duplicates + dead.';
create index ingest_batches_committed_at on ops.ingest_batches (committed_at);
create index ingest_batches_xid on ops.ingest_batches (_xid);

create table ops.dead_letters (
    dead_letter_id bigint generated always as identity,
    topic_id text not null,
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    message_key bytea,
    message_value bytea,
    headers jsonb not null default '[]',
    message_time timestamptz,
    error_class text not null,
    error text not null,
    schema_path text,
    event_id uuid,
    event_type text,
    status text not null default 'open' check (status in ('open', 'replayed', 'discarded')),
    received_at timestamptz not null default now(),
    _xid xid8 not null default pg_current_xact_id(),
    constraint dead_letters_pk primary key (dead_letter_id),
    constraint dead_letters_position unique (topic_id, partition, "offset")
);
comment on table ops.dead_letters is
    'Every message that is not a valid event, byte for byte, with the reason and where it stood.';
create index dead_letters_event_id on ops.dead_letters (event_id);

create table ops.ingest_services (
    writer text not null primary key,
    started_at timestamptz not null,
    heartbeat_at timestamptz not null,
    lag bigint not null,
    rows_per_second double precision not null,
    partitions jsonb not null default '[]'
);
comment on table ops.ingest_services is 'Continuous ingest processes and their last sign of life.';

create table ops.kafka_lag (
    topic text not null,
    partition integer not null,
    end_offset bigint not null,
    next_offset bigint not null,
    lag bigint generated always as (greatest(end_offset - next_offset, 0)) stored,
    measured_at timestamptz not null,
    constraint kafka_lag_pk primary key (topic, partition)
);
comment on table ops.kafka_lag is 'How far each partition is behind Kafka, as last measured.';

grant select, insert, update on ops.ingest_offsets, ops.dead_letters to shop_ingest;
grant select, insert on ops.ingest_batches to shop_ingest;
grant select, insert, update, delete on ops.ingest_services, ops.kafka_lag to shop_ingest;
grant select on ops.ingest_offsets, ops.ingest_batches, ops.ingest_services, ops.kafka_lag
    to shop_transform, shop_orchestrator, shop_dashboard, shop_grafana;
grant select on ops.dead_letters to shop_transform, shop_orchestrator;
-- The raw bytes of a dead letter may hold personal data: screens see everything but the message itself.
grant select (dead_letter_id, topic_id, topic, partition, "offset", error_class, schema_path, event_id, event_type,
    status, received_at, message_time) on ops.dead_letters to shop_dashboard, shop_grafana;
