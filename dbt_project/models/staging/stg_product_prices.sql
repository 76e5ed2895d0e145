select
    event_id,
    subject as product_id,
    event_time as priced_at,
    {{ event_name() }} = 'price_changed' as is_change,
    {{ json_money('price') }} as price,
    {{ json_money('cost') }} as unit_cost,
    {{ json_text('currency') }} as currency,
    _xid
from {{ source('raw', 'products') }}
where
    {{ is_any_event(['product.created', 'product.price_changed']) }}
    and {{ below_ceiling() }}
