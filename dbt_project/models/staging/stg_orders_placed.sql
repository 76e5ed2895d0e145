select
    event_id,
    subject as order_id,
    case when {{ is_event('order.amended') }} then {{ json_timestamp('placed_at') }} else event_time end as placed_at,
    case when {{ is_event('order.amended') }} then event_time end as amended_at,
    {{ json_text('customer_id') }} as customer_id,
    {{ json_text('session_id') }} as session_id,
    {{ json_text('channel') }} as channel,
    {{ json_text('campaign') }} as campaign,
    {{ json_text('coupon') }} as coupon,
    {{ json_text('device') }} as device,
    {{ json_text('country') }} as country,
    {{ json_text('currency') }} as currency,
    {{ json_money('subtotal') }} as gross_amount,
    {{ json_money('discount') }} as discount_amount,
    {{ json_money('shipping') }} as shipping_amount,
    {{ json_money('tax') }} as tax_amount,
    {{ json_money('total') }} as total_amount,
    ingested_at as landed_at,
    _xid
from {{ source('raw', 'orders') }}
where
    {{ is_any_event(['order.placed', 'order.amended']) }}
    and {{ below_ceiling() }}
