select
    order_id,
    customer_id,
    ordered_at,
    order_date,
    channel,
    currency,
    units,
    gross_amount,
    discount_amount,
    net_amount,
    shipping_amount,
    tax_amount,
    total_amount,
    refunded_amount,
    row_number() over (partition by customer_id order by ordered_at, order_id) as customer_order_number
from {{ ref('fct_orders') }}
where not is_cancelled
