select
    event_id,
    subject as order_id,
    event_time as issued_at,
    {{ json_text('refund_id') }} as refund_id,
    {{ json_text('return_id') }} as return_id,
    {{ json_money('amount') }} as amount,
    {{ json_money('tax') }} as tax_amount,
    {{ json_text('currency') }} as currency,
    {{ json_text('reason') }} as reason,
    _xid
from {{ source('raw', 'returns') }}
where
    {{ is_event('refund.issued') }}
    and {{ below_ceiling() }}
