-- A batch reaches as far as its newest event, and never farther than the moment when it was committed: an event whose
-- clock is years ahead must not end the days that are running.
select
    max(least(max_event_time, committed_at)) as newest_at,
    {{ day_in_tz('max(least(max_event_time, committed_at))') }} as newest_day
from {{ ref('stg_ingest_batches') }}
where max_event_time is not null
