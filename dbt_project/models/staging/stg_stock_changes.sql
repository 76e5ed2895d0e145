select
    event_id,
    subject as product_id,
    event_time as changed_at,
    {{ json_text('warehouse') }} as warehouse,
    {{ json_integer('delta') }} as quantity_delta,
    {{ json_integer('level') }} as stock_level,
    {{ json_text('reason') }} as reason,
    {{ json_text('order_id') }} as order_id,
    _xid
from {{ source('raw', 'inventory') }}
where
    {{ is_event('stock.changed') }}
    and {{ below_ceiling() }}
