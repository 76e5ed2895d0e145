-- What the ingestion needs to halt with the truth, to go on after a person's decision, and to count by event time.

-- A topic keeps its id when its log lost the end (a broker without its disk). Its offsets are then used a second time, so
-- a position is only unique within an incarnation. A row is retired when a person accepted that its topic was recreated.
alter table ops.ingest_offsets
    add column incarnation integer not null default 0,
    add column retired boolean not null default false,
    add column watermark timestamptz;
comment on column ops.ingest_batches.max_event_time is
    'The newest event time of the batch, clocks from the future left out: freshness is measured by it.';
comment on column ops.ingest_offsets.watermark is
    'The newest event time that landed from this partition, clocks from the future left out; an event more than an hour'
    ' older is late.';

alter table ops.ingest_batches
    add column incarnation integer not null default 0,
    drop constraint ingest_batches_contiguous,
    add constraint ingest_batches_contiguous unique (topic_id, partition, incarnation, first_offset);

alter table ops.dead_letters
    add column incarnation integer not null default 0,
    add column event_time timestamptz,
    drop constraint dead_letters_position,
    add constraint dead_letters_position unique (topic_id, partition, incarnation, "offset");
comment on column ops.dead_letters.event_time is 'From the header ce_time or the body, when either can be read.';
grant select (incarnation, event_time) on ops.dead_letters to shop_dashboard, shop_grafana;

-- The ledger by event time. `event_hour` is null for dead letters whose time nobody can read.
create table ops.ingest_hours (
    topic_id text not null,
    topic text not null,
    partition integer not null,
    incarnation integer not null,
    event_hour timestamptz,
    landed bigint not null,
    duplicates bigint not null,
    dead bigint not null,
    late bigint not null,
    constraint ingest_hours_grain unique nulls not distinct (topic_id, partition, incarnation, event_hour)
);
comment on table ops.ingest_hours is
    'What each partition delivered per hour of event time, written in the transaction of the rows.';
create index ingest_hours_event_hour on ops.ingest_hours (event_hour);

-- Why the ingestion stopped and waits for a person, and what the person decided.
create table ops.ingest_halts (
    halt_id bigint generated always as identity primary key,
    reason text not null check (reason in (
        'topic_recreated', 'offsets_removed', 'log_ends_early', 'partitions_missing', 'dead_letter_burst'
    )),
    topic text not null,
    partition integer,
    detail jsonb not null,
    message text not null,
    resolution text not null,
    first_seen_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    resolved_by text,
    resolved_because text,
    constraint ingest_halts_resolved check ((resolved_at is null) = (resolved_by is null))
);
comment on table ops.ingest_halts is
    'Every disagreement between Kafka and the warehouse that stopped the ingestion, and who resolved it, why and when.';
create unique index ingest_halts_open on ops.ingest_halts (reason, topic, coalesce(partition, -1))
    where resolved_at is null;

alter table ops.ingest_services
    add column state text not null default 'running',
    add column last_commit_at timestamptz;

-- When the message at the stored position was produced: the lag in seconds is the age of the oldest unread message.
alter table ops.kafka_lag add column behind_since timestamptz;
comment on column ops.kafka_lag.behind_since is
    'When the oldest message that is not read yet was produced; null while nothing waits.';

grant select, insert, update on ops.ingest_hours, ops.ingest_halts to shop_ingest;
grant select on ops.ingest_hours, ops.ingest_halts to shop_transform, shop_orchestrator, shop_dashboard, shop_grafana;
