select
    event_id,
    subject as order_id,
    event_time as occurred_at,
    {{ event_name() }} as step,
    {{ json_text('return_id') }} as return_id,
    _xid
from {{ source('raw', 'returns') }}
where
    {{ is_any_event(['return.requested', 'return.received']) }}
    and {{ below_ceiling() }}
