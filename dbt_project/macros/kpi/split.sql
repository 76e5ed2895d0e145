{#- The KPIs by day, currency and one more dimension, a column of orders, refunds and sessions. Distinct customers are not
    additive, so each split counts its own. -#}
{% macro kpi_split(dimension) -%}
with

orders as (
    select
        order_date as date_day,
        currency,
        {{ dimension }},
        {{ summed_orders() }},
        count(distinct customer_id) as customers_count,
        sum(case when is_first_order then 1 else 0 end) as new_customers
    from {{ counted_orders() }} as counted
    group by order_date, currency, {{ dimension }}
),

refunds as (
    select
        refund_date as date_day,
        currency,
        {{ dimension }},
        {{ summed_refunds() }}
    from {{ counted_refunds() }} as counted
    group by refund_date, currency, {{ dimension }}
),

sessions as (
    select
        session_date as date_day,
        currency,
        {{ dimension }},
        count(*) as sessions_count,
        sum(case when has_order then 1 else 0 end) as converting_sessions_count
    from {{ counted_sessions() }} as counted
    group by session_date, currency, {{ dimension }}
),

days as (
    select
        date_day,
        currency,
        {{ dimension }}
    from orders
    union
    select
        date_day,
        currency,
        {{ dimension }}
    from refunds
    union
    select
        date_day,
        currency,
        {{ dimension }}
    from sessions
)

select
    {{ surrogate_key(['days.date_day', 'days.currency', 'days.' ~ dimension]) }} as {{ this.identifier }}_id,
    days.date_day,
    days.currency,
    days.{{ dimension }},
    coalesce(orders.orders_count, 0) as orders_count,
    cast(coalesce(orders.units, 0) as bigint) as units,
    {{ amounts_of_orders_and_refunds() }},
    coalesce(orders.customers_count, 0) as customers_count,
    coalesce(orders.new_customers, 0) as new_customers,
    coalesce(sessions.sessions_count, 0) as sessions_count,
    coalesce(sessions.converting_sessions_count, 0) as converting_sessions_count
from days
left join orders
    on
        days.date_day = orders.date_day
        and days.currency = orders.currency
        and days.{{ dimension }} = orders.{{ dimension }}
left join refunds
    on
        days.date_day = refunds.date_day
        and days.currency = refunds.currency
        and days.{{ dimension }} = refunds.{{ dimension }}
left join sessions
    on
        days.date_day = sessions.date_day
        and days.currency = sessions.currency
        and days.{{ dimension }} = sessions.{{ dimension }}
{%- endmacro %}
