with

tellings as (
    select * from {{ source('raw', 'orders') }}
    where
        {{ is_any_event(['order.placed', 'order.amended']) }}
        and {{ below_ceiling() }}
)

select
    tellings.event_id,
    tellings.subject as order_id,
    case
        when {{ is_event('order.amended', 'tellings.event_type') }}
            then {{ json_timestamp('placed_at', 'tellings.data') }}
        else tellings.event_time
    end as placed_at,
    cast(line.position as integer) as line_position,
    {{ json_integer('line_number', 'line.element') }} as line_number,
    {{ json_text('product_id', 'line.element') }} as product_id,
    {{ json_text('currency', 'tellings.data') }} as currency,
    {{ json_integer('quantity', 'line.element') }} as quantity,
    {{ json_money('unit_price', 'line.element') }} as unit_price,
    {{ json_money('discount', 'line.element') }} as discount_amount,
    {{ json_money('tax', 'line.element') }} as tax_amount,
    tellings._xid
from tellings
{{ json_elements('lines', 'line', 'tellings.data') }}
