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
        channel,
        count(*) as orders_count,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(case when customer_order_number = 1 then 1 else 0 end) as new_customers
    from {{ ref('int_counted_orders') }}
    group by order_date, currency, channel
),

refunds as (
    select
        refund_date as date_day,
        currency,
        channel,
        sum(amount) as refund_amount
    from {{ ref('int_counted_refunds') }}
    group by refund_date, currency, channel
),

sessions as (
    select
        session_date as date_day,
        currency,
        channel,
        count(*) as sessions_count,
        sum(case when has_order then 1 else 0 end) as converting_sessions_count
    from {{ ref('fct_sessions') }}
    group by session_date, currency, channel
),

days as (
    select
        date_day,
        currency,
        channel
    from orders
    union
    select
        date_day,
        currency,
        channel
    from refunds
    union
    select
        date_day,
        currency,
        channel
    from sessions
)

select
    {{ surrogate_key(['days.date_day', 'days.currency', 'days.channel']) }} as kpi_daily_by_channel_id,
    days.date_day,
    days.currency,
    days.channel,
    coalesce(orders.orders_count, 0) as orders_count,
    {{ money('coalesce(orders.gross_amount, 0)') }} as gross_amount,
    {{ money('coalesce(orders.discount_amount, 0)') }} as discount_amount,
    {{ money('coalesce(refunds.refund_amount, 0)') }} as refund_amount,
    {{
        money('coalesce(orders.gross_amount, 0) - coalesce(orders.discount_amount, 0)'
            ~ ' - coalesce(refunds.refund_amount, 0)')
    }} as net_amount,
    coalesce(sessions.sessions_count, 0) as sessions_count,
    coalesce(sessions.converting_sessions_count, 0) as converting_sessions_count,
    coalesce(orders.new_customers, 0) as new_customers
from days
left join orders
    on days.date_day = orders.date_day and days.currency = orders.currency and days.channel = orders.channel
left join refunds
    on days.date_day = refunds.date_day and days.currency = refunds.currency and days.channel = refunds.channel
left join sessions
    on days.date_day = sessions.date_day and days.currency = sessions.currency and days.channel = sessions.channel
