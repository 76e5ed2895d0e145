select
    orders.event_id,
    orders.subject as order_id,
    case
        when {{ is_event('order.amended', 'orders.event_type') }} then {{ json_timestamp('placed_at', 'orders.data') }}
        else orders.event_time
    end as placed_at,
    cast(line.position as integer) as line_position,
    {{ json_integer('line_number', 'line.element') }} as line_number,
    {{ json_text('product_id', 'line.element') }} as product_id,
    {{ json_text('currency', 'orders.data') }} as currency,
    {{ json_integer('quantity', 'line.element') }} as quantity,
    {{ json_money('unit_price', 'line.element') }} as unit_price,
    {{ json_money('discount', 'line.element') }} as discount_amount,
    {{ json_money('tax', 'line.element') }} as tax_amount,
    orders._xid
from {{ source('raw', 'orders') }} as orders
{{ json_elements('lines', 'line', 'orders.data') }}
where
    {{ is_any_event(['order.placed', 'order.amended'], 'orders.event_type') }}
    and {{ below_ceiling('orders._xid') }}
