{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[
            {'columns': ['date_day']},
            {'columns': ['hour_start']},
        ],
        pre_hook=[
            "{{ open_changed_days({'fct_orders': 'order_date', 'fct_refunds': 'refund_date', 'fct_sessions': 'session_date'}) }}",
            "{{ clear_changed_days() }}",
        ],
        tags=['hot'],
    )
}}

with

orders as (
    select
        {{ hour_start('ordered_at') }} as hour_start,
        order_date as date_day,
        currency,
        {{ summed_orders() }}
    from {{ ref('fct_orders') }}
    where not is_cancelled and {{ in_changed_days('order_date') }}
    group by {{ hour_start('ordered_at') }}, order_date, currency
),

refunds as (
    select
        {{ hour_start('refunded_at') }} as hour_start,
        refund_date as date_day,
        currency,
        {{ summed_refunds() }}
    from {{ counted_refunds() }} as counted
    group by {{ hour_start('refunded_at') }}, refund_date, currency
),

sessions as (
    select
        {{ hour_start('started_at') }} as hour_start,
        session_date as date_day,
        currency,
        count(*) as sessions_count,
        sum(case when has_order then 1 else 0 end) as converting_sessions_count
    from {{ counted_sessions() }} as counted
    group by {{ hour_start('started_at') }}, session_date, currency
),

hours as (
    select
        hour_start,
        date_day,
        currency
    from orders
    union
    select
        hour_start,
        date_day,
        currency
    from refunds
    union
    select
        hour_start,
        date_day,
        currency
    from sessions
)

select
    -- In a zone of half hours, an hour belongs to two days.
    {{ surrogate_key(['hours.hour_start', 'hours.date_day', 'hours.currency']) }} as kpi_hourly_id,
    hours.hour_start,
    hours.date_day,
    hours.currency,
    coalesce(orders.orders_count, 0) as orders_count,
    cast(coalesce(orders.units, 0) as bigint) as units,
    {{ amounts_of_orders_and_refunds() }},
    coalesce(sessions.sessions_count, 0) as sessions_count,
    coalesce(sessions.converting_sessions_count, 0) as converting_sessions_count
from hours
left join orders
    on
        hours.hour_start = orders.hour_start
        and hours.date_day = orders.date_day
        and hours.currency = orders.currency
left join refunds
    on
        hours.hour_start = refunds.hour_start
        and hours.date_day = refunds.date_day
        and hours.currency = refunds.currency
left join sessions
    on
        hours.hour_start = sessions.hour_start
        and hours.date_day = sessions.date_day
        and hours.currency = sessions.currency
