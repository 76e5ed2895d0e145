select
    orders.order_id,
    orders.customer_id,
    orders.ordered_at,
    orders.order_date,
    orders.channel,
    orders.country,
    orders.device,
    orders.currency,
    orders.units,
    orders.gross_amount,
    orders.discount_amount,
    orders.net_amount,
    orders.shipping_amount,
    orders.tax_amount,
    orders.total_amount,
    orders.refunded_amount,
    orders.known_refunded_amount,
    orders.has_unconverted_amounts,
    orders.costed_revenue_amount,
    orders.known_cost_amount,
    places.customer_order_number
from {{ ref('fct_orders') }} as orders
-- Both know the day: a reader that asks for some days then reads neither of them whole.
inner join {{ ref('fct_customer_orders') }} as places
    on orders.order_id = places.order_id and orders.order_date = places.order_date
where not orders.is_cancelled
