{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[
            {'columns': ['date_day']},
        ],
        pre_hook=[
            "{{ open_changed_days({'fct_orders': 'order_date', 'fct_customer_orders': 'order_date', 'fct_refunds': 'refund_date', 'fct_sessions': 'session_date'}) }}",
            "{{ clear_changed_days() }}",
        ],
        tags=['hot'],
    )
}}

with

orders as (
    select
        order_date as date_day,
        currency,
        {{ summed_orders() }},
        count(distinct customer_id) as customers_count,
        sum(case when is_first_order then 1 else 0 end) as new_customer_orders
    from {{ counted_orders() }} as counted
    group by order_date, currency
),

cancellations as (
    select
        order_date as date_day,
        currency,
        count(*) as cancelled_orders_count
    from {{ ref('fct_orders') }}
    where is_cancelled and {{ in_changed_days('order_date') }}
    group by order_date, currency
),

refunds as (
    select
        refund_date as date_day,
        currency,
        {{ summed_refunds() }}
    from {{ counted_refunds() }} as counted
    group by refund_date, currency
),

sessions as (
    select
        session_date as date_day,
        currency,
        count(*) as sessions_count,
        sum(case when has_order then 1 else 0 end) as converting_sessions_count
    from {{ counted_sessions() }} as counted
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
)

select
    {{ surrogate_key(['days.date_day', 'days.currency']) }} as kpi_daily_id,
    days.date_day,
    days.currency,
    coalesce(orders.orders_count, 0) as orders_count,
    coalesce(cancellations.cancelled_orders_count, 0) as cancelled_orders_count,
    cast(coalesce(orders.units, 0) as bigint) as units,
    {{ amounts_of_orders_and_refunds() }},
    coalesce(orders.customers_count, 0) as customers_count,
    coalesce(orders.new_customer_orders, 0) as new_customer_orders,
    coalesce(orders.orders_count - orders.new_customer_orders, 0) as repeat_customer_orders,
    -- A customer has one first order, so the two counts are the same by definition.
    coalesce(orders.new_customer_orders, 0) as new_customers,
    coalesce(sessions.sessions_count, 0) as sessions_count,
    coalesce(sessions.converting_sessions_count, 0) as converting_sessions_count,
    {{
        money(rounded_in('(orders.gross_amount - orders.discount_amount) / nullif(orders.orders_count, 0)',
            'orders.currency'))
    }}
        as average_order_value,
    {{ ratio('sessions.converting_sessions_count', 'sessions.sessions_count') }} as conversion_rate,
    {{ ratio('orders.orders_count - orders.new_customer_orders', 'orders.orders_count') }} as repeat_rate,
    {{ ratio('coalesce(refunds.refund_amount, 0)', '(orders.gross_amount - orders.discount_amount)') }} as refund_rate
from days
left join orders on days.date_day = orders.date_day and days.currency = orders.currency
left join cancellations on days.date_day = cancellations.date_day and days.currency = cancellations.currency
left join refunds on days.date_day = refunds.date_day and days.currency = refunds.currency
left join sessions on days.date_day = sessions.date_day and days.currency = sessions.currency
