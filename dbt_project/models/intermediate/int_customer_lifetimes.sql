select
    customer_id,
    min(currency) as currency,
    min(ordered_at) as first_order_at,
    max(ordered_at) as last_order_at,
    min(order_date) as first_order_date,
    max(order_date) as last_order_date,
    count(*) as orders_count,
    -- Every order has the same currency here; a sum of which a part cannot be converted is unknown.
    {{ whole_sum('gross_amount') }} as gross_amount,
    {{ whole_sum('net_amount') }} as ordered_net_amount,
    {{ whole_sum('net_amount - refunded_amount') }} as net_amount,
    sum(costed_revenue_amount) as costed_revenue_amount,
    sum(known_cost_amount) as cost_amount
from {{ ref('int_orders_in_customer_currency') }}
group by customer_id
