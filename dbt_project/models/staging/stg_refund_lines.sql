with

issued as (
    select * from {{ source('raw', 'returns') }}
    where
        {{ is_event('refund.issued') }}
        and {{ below_ceiling() }}
)

select
    issued.event_id,
    issued.subject as order_id,
    issued.event_time as issued_at,
    {{ json_text('refund_id', 'issued.data') }} as refund_id,
    cast(line.position as integer) as line_position,
    {{ json_integer('line_number', 'line.element') }} as line_number,
    {{ json_text('product_id', 'line.element') }} as product_id,
    {{ json_integer('quantity', 'line.element') }} as quantity,
    {{ by_version(
        {1: json_money('amount', 'line.element'), 2: json_money('net', json_object('refunded', 'line.element'))},
        'issued.event_type',
    ) }} as amount,
    -- Version 1 tells the tax of the whole refund only.
    {{ by_version(
        {1: 'cast(null as ' ~ money_type() ~ ')', 2: json_money('tax', json_object('refunded', 'line.element'))},
        'issued.event_type',
    ) }} as tax_amount,
    issued._xid
from issued
{{ json_elements('lines', 'line', 'issued.data') }}
