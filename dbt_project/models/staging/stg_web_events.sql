select
    event_id,
    subject as session_id,
    event_time as occurred_at,
    {{ event_name() }} as event_name,
    {{ json_text('visitor_id') }} as visitor_id,
    {{ json_text('product_id') }} as product_id,
    {{ json_text('page_type') }} as page_type,
    {{ json_integer('delta') }} as quantity_delta,
    {{ json_integer('quantity') }} as cart_quantity,
    coalesce({{ json_money('unit_price') }}, {{ json_money('price') }}) as unit_price,
    {{ json_text('currency') }} as currency,
    _xid
from {{ source('raw', 'web') }}
where
    event_type like 'shop.web.%'
    and {{ below_ceiling() }}
