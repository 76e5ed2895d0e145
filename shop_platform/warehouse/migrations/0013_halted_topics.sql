-- A topic that Kafka does not have is held like one that was made again; the other topics go on.
alter table ops.ingest_halts drop constraint ingest_halts_reason_check;
alter table ops.ingest_halts add constraint ingest_halts_reason_check check (reason in (
    'topic_recreated', 'offsets_removed', 'log_ends_early', 'partitions_missing', 'dead_letter_burst', 'topic_missing'
));
comment on table ops.ingest_halts is
    'Why a topic or a partition is not read any further, and who decided what about it. Other topics go on.';
