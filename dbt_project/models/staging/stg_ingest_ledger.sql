select
    topic_id,
    split_part(topic, '.', 2) as subject,
    partition as topic_partition,
    incarnation,
    first_offset,
    messages,
    landed,
    duplicates,
    dead,
    min_event_time,
    max_event_time,
    committed_at,
    _xid
from {{ source('ops', 'ingest_batches') }}
where {{ below_ceiling() }}
