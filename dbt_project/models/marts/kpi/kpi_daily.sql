{{
    config(
        indexes=[
            {'columns': ['date_day']},
        ],
        tags=['hot'],
    )
}}

with

orders as (
    select
        order_date as date_day,
        currency,
        count(*) as orders_count,
        sum(units) as units,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(shipping_amount) as shipping_amount,
        sum(tax_amount) as tax_amount,
        sum(total_amount) as total_amount,
        count(distinct customer_id) as customers_count,
        sum(case when customer_order_number = 1 then 1 else 0 end) as new_customer_orders
    from {{ ref('int_counted_orders') }}
    group by order_date, currency
),

cancellations as (
    select
        order_date as date_day,
        currency,
        count(*) as cancelled_orders_count
    from {{ ref('fct_orders') }}
    where is_cancelled
    group by order_date, currency
),

refunds as (
    select
        refund_date as date_day,
        currency,
        sum(amount) as refund_amount
    from {{ ref('int_counted_refunds') }}
    group by refund_date, currency
),

sessions as (
    select
        session_date as date_day,
        currency,
        count(*) as sessions_count,
        sum(case when has_order then 1 else 0 end) as converting_sessions_count
    from {{ ref('fct_sessions') }}
    group by session_date, currency
),

days as (
    select
        date_day,
        currency
    from orders
    union
    select
        date_day,
        currency
    from cancellations
    union
    select
        date_day,
        currency
    from refunds
    union
    select
        date_day,
        currency
    from sessions
),

counted as (
    select
        days.date_day,
        days.currency,
        coalesce(orders.orders_count, 0) as orders_count,
        coalesce(cancellations.cancelled_orders_count, 0) as cancelled_orders_count,
        coalesce(orders.units, 0) as units,
        coalesce(orders.gross_amount, 0) as gross_amount,
        coalesce(orders.discount_amount, 0) as discount_amount,
        coalesce(refunds.refund_amount, 0) as refund_amount,
        coalesce(orders.shipping_amount, 0) as shipping_amount,
        coalesce(orders.tax_amount, 0) as tax_amount,
        coalesce(orders.total_amount, 0) as total_amount,
        coalesce(orders.customers_count, 0) as customers_count,
        coalesce(orders.new_customer_orders, 0) as new_customer_orders,
        coalesce(sessions.sessions_count, 0) as sessions_count,
        coalesce(sessions.converting_sessions_count, 0) as converting_sessions_count
    from days
    left join orders on days.date_day = orders.date_day and days.currency = orders.currency
    left join cancellations on days.date_day = cancellations.date_day and days.currency = cancellations.currency
    left join refunds on days.date_day = refunds.date_day and days.currency = refunds.currency
    left join sessions on days.date_day = sessions.date_day and days.currency = sessions.currency
)

select
    {{ surrogate_key(['date_day', 'currency']) }} as kpi_daily_id,
    date_day,
    currency,
    orders_count,
    cancelled_orders_count,
    cast(units as bigint) as units,
    {{ money('gross_amount') }} as gross_amount,
    {{ money('discount_amount') }} as discount_amount,
    {{ money('refund_amount') }} as refund_amount,
    {{ money('gross_amount - discount_amount - refund_amount') }} as net_amount,
    {{ money('shipping_amount') }} as shipping_amount,
    {{ money('tax_amount') }} as tax_amount,
    {{ money('total_amount') }} as total_amount,
    customers_count,
    new_customer_orders,
    orders_count - new_customer_orders as repeat_customer_orders,
    -- A customer has one first order, so the two counts are the same by definition.
    new_customer_orders as new_customers,
    sessions_count,
    converting_sessions_count,
    {{ money('(gross_amount - discount_amount) / nullif(orders_count, 0)') }} as average_order_value,
    {{ ratio('converting_sessions_count', 'sessions_count') }} as conversion_rate,
    {{ ratio('orders_count - new_customer_orders', 'orders_count') }} as repeat_rate,
    {{ ratio('refund_amount', 'gross_amount - discount_amount') }} as refund_rate
from counted
