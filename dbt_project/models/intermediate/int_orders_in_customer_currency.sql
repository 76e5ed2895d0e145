with

-- A customer's currency is that of the first order that counts.
beginnings as (
    select
        customer_id,
        currency as customer_currency
    from {{ ref('fct_customer_orders') }}
    where is_first_order
),

orders as (
    select
        orders.*,
        beginnings.customer_currency
    from {{ ref('int_counted_orders') }} as orders
    inner join beginnings on orders.customer_id = beginnings.customer_id
),

foreign_days as (
    {{ days_to_convert('orders', into='customer_currency') }}
),

rates as (
    {{ exchange_rates_on('foreign_days') }}
)

select
    orders.order_id,
    orders.customer_id,
    orders.ordered_at,
    orders.order_date,
    orders.currency as order_currency,
    orders.customer_currency as currency,
    {{
        converted('orders.gross_amount', 'orders.currency', 'orders.customer_currency', 'order_rates.rate_to_base',
            'customer_rates.rate_to_base')
    }} as gross_amount,
    {{
        converted('orders.net_amount', 'orders.currency', 'orders.customer_currency', 'order_rates.rate_to_base',
            'customer_rates.rate_to_base')
    }} as net_amount,
    {{
        converted('orders.refunded_amount', 'orders.currency', 'orders.customer_currency', 'order_rates.rate_to_base',
            'customer_rates.rate_to_base')
    }} as refunded_amount,
    {{
        converted('orders.costed_revenue_amount', 'orders.currency', 'orders.customer_currency', 'order_rates.rate_to_base',
            'customer_rates.rate_to_base')
    }} as costed_revenue_amount,
    {{
        converted('orders.known_cost_amount', 'orders.currency', 'orders.customer_currency', 'order_rates.rate_to_base',
            'customer_rates.rate_to_base')
    }} as known_cost_amount
from orders
left join rates as order_rates
    on orders.currency = order_rates.currency and orders.order_date = order_rates.date_day
left join rates as customer_rates
    on orders.customer_currency = customer_rates.currency and orders.order_date = customer_rates.date_day
