select
    topic_id,
    split_part(topic, '.', 2) as subject,
    landed,
    dead,
    max_event_time,
    committed_at,
    _xid
from {{ source('ops', 'ingest_batches') }}
where {{ below_ceiling() }}
