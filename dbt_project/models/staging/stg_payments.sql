select
    event_id,
    subject as order_id,
    event_time as attempted_at,
    {{ json_text('payment_id') }} as payment_id,
    {{ json_text('method') }} as method,
    case when {{ is_event('order.paid') }} then 'succeeded' else 'failed' end as status,
    {{ json_text('reason') }} as failure_reason,
    {{ json_money('amount') }} as amount,
    {{ json_text('currency') }} as currency,
    _xid
from {{ source('raw', 'orders') }}
where
    {{ is_any_event(['order.paid', 'order.payment_failed']) }}
    and {{ below_ceiling() }}
