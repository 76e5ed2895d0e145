select
    refund_id,
    order_id,
    refunded_at,
    refund_date,
    currency,
    channel,
    country,
    device,
    amount,
    tax_amount,
    amount_base,
    shipping_amount
from {{ ref('fct_refunds') }}
where not is_order_cancelled
