select
    event_id,
    subject as order_id,
    event_time as occurred_at,
    {{ event_name() }} as step,
    {{ json_text('shipment_id') }} as shipment_id,
    {{ json_date('promised_on') }} as promised_on,
    {{ json_text('carrier') }} as carrier,
    {{ json_text('reason') }} as cancellation_reason,
    ingested_at as landed_at,
    _xid
from {{ source('raw', 'orders') }}
where
    {{ is_any_event(['order.shipped', 'order.delivered', 'order.cancelled']) }}
    and {{ below_ceiling() }}
