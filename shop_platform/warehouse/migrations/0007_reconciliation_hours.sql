-- The reconciliation by hour of event time, as last measured: what was produced and where each message is now.

-- Batches from before the ledger by hour (0005): their sums are known, their hours are not.
insert into ops.ingest_hours (topic_id, topic, partition, incarnation, event_hour, landed, duplicates, dead, late)
select topic_id, topic, partition, incarnation, null, sum(landed), sum(duplicates), sum(dead), 0
from ops.ingest_batches
where not exists (select from ops.ingest_hours)
group by topic_id, topic, partition, incarnation;

create table ops.ingest_hours_since (
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    since timestamptz not null default now(),
    constraint ingest_hours_since_pk primary key (topic, partition)
);
comment on table ops.ingest_hours_since is
    'Partitions that were read before hours were counted: messages below this offset are counted without an hour.';
insert into ops.ingest_hours_since (topic, partition, next_offset)
select topic, partition, next_offset from ops.ingest_offsets
where exists (select from ops.ingest_batches) and next_offset > 0;

create table ops.reconciliation_hours (
    topic text not null,
    partition integer not null,
    event_hour timestamptz,
    produced bigint,
    in_kafka bigint,
    given_up bigint,
    read_again bigint,
    landed bigint not null,
    noted bigint not null,
    duplicates bigint not null,
    dead bigint not null,
    late bigint not null,
    -- What should be here less what is: with a producer's ledger by its count, else by what the ingestion noted.
    difference bigint not null generated always as (
        coalesce(produced + read_again - in_kafka - given_up, noted + duplicates + dead) - landed - duplicates - dead
    ) stored,
    constraint reconciliation_hours_grain unique nulls not distinct (topic, partition, event_hour)
);
create index reconciliation_hours_event_hour on ops.reconciliation_hours (event_hour);
create index reconciliation_hours_off on ops.reconciliation_hours (topic)
    where difference <> 0 or landed <> noted;

alter table ops.reconciliations
    add column given_up bigint not null default 0,
    add column hours_off bigint;
comment on column ops.reconciliations.given_up is
    'Produced events that Kafka removed before they were read, and that a person gave up.';
comment on column ops.reconciliations.hours_off is 'Partitions and hours of event time that did not add up.';

create view ops.reconciliation as
select
    topic,
    partition,
    event_hour,
    produced,
    in_kafka,
    given_up,
    read_again,
    landed,
    duplicates,
    dead,
    late,
    difference,
    noted,
    difference = 0 and landed = noted as adds_up,
    (select max(checked_at) from ops.reconciliations) as measured_at
from ops.reconciliation_hours;
comment on view ops.reconciliation is
    'Per topic, partition and hour of event time, as last measured: produced + read_again = in_kafka + given_up + landed'
    ' + duplicates + dead + difference.';
comment on column ops.reconciliation.event_hour is
    'Null: messages whose time nobody can read, and those from before hours were counted.';
comment on column ops.reconciliation.produced is
    'Messages that Kafka acknowledged to the producer; null without a producer''s ledger.';
comment on column ops.reconciliation.in_kafka is 'Of those, not read yet; null without a producer''s ledger.';
comment on column ops.reconciliation.given_up is 'Of those, removed from Kafka unread and given up by a person.';
comment on column ops.reconciliation.read_again is
    'Readings of a message beyond its first, after a person had a log read again from its start.';
comment on column ops.reconciliation.landed is 'Rows that are in the raw table now.';
comment on column ops.reconciliation.noted is
    'Rows that the ingestion noted as landed; less than that in the raw table means that rows were taken out.';
comment on column ops.reconciliation.difference is
    'Must be zero. More: messages are lost. Less: there is more than was produced.';

grant select, insert, update, delete on ops.reconciliation_hours to shop_orchestrator;
grant select on ops.reconciliation_hours, ops.reconciliation, ops.ingest_hours_since
    to shop_transform, shop_orchestrator, shop_dashboard, shop_grafana;
