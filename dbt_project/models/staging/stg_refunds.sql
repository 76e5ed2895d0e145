select
    event_id,
    subject as order_id,
    event_time as issued_at,
    {{ json_text('refund_id') }} as refund_id,
    {{ json_text('return_id') }} as return_id,
    {{ by_version({1: json_money('amount'), 2: json_money('net', json_object('refunded'))}) }} as amount,
    {{ by_version({1: json_money('tax'), 2: json_money('tax', json_object('refunded'))}) }} as tax_amount,
    coalesce({{ json_money('shipping') }}, {{ money('0') }}) as shipping_amount,
    {{ json_text('currency') }} as currency,
    {{ json_text('reason') }} as reason,
    ingested_at as landed_at,
    _xid
from {{ source('raw', 'returns') }}
where
    {{ is_event('refund.issued') }}
    and {{ below_ceiling() }}
