select
    returns.event_id,
    returns.subject as order_id,
    returns.event_time as issued_at,
    {{ json_text('refund_id', 'returns.data') }} as refund_id,
    cast(line.position as integer) as line_position,
    {{ json_integer('line_number', 'line.element') }} as line_number,
    {{ json_text('product_id', 'line.element') }} as product_id,
    {{ json_integer('quantity', 'line.element') }} as quantity,
    {{ json_money('amount', 'line.element') }} as amount,
    returns._xid
from {{ source('raw', 'returns') }} as returns
{{ json_elements('lines', 'line', 'returns.data') }}
where
    {{ is_event('refund.issued', 'returns.event_type') }}
    and {{ below_ceiling('returns._xid') }}
