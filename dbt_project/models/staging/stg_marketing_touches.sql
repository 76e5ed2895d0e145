select
    event_id,
    subject as visitor_id,
    event_time as touched_at,
    {{ json_text('touch_id') }} as touch_id,
    {{ json_text('customer_id') }} as customer_id,
    {{ json_text('session_id') }} as session_id,
    {{ json_text('channel') }} as channel,
    {{ json_text('campaign') }} as campaign,
    {{ json_text('kind') }} as kind,
    {{ json_money('cost') }} as touch_cost,
    {{ json_text('currency') }} as currency,
    _xid
from {{ source('raw', 'marketing') }}
where
    {{ is_event('marketing.touched') }}
    and {{ below_ceiling() }}
