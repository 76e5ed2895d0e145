select
    event_id,
    subject as session_id,
    event_time as started_at,
    {{ json_text('visitor_id') }} as visitor_id,
    {{ json_text('customer_id') }} as customer_id,
    {{ json_text('channel') }} as channel,
    {{ json_text('campaign') }} as campaign,
    {{ json_text('device') }} as device,
    {{ json_text('country') }} as country,
    ingested_at as landed_at,
    _xid
from {{ source('raw', 'web') }}
where
    {{ is_event('web.session_started') }}
    and {{ below_ceiling() }}
