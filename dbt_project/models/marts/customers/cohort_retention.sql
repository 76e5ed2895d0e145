{{
    config(
        indexes=[
            {'columns': ['cohort_month']},
        ],
        tags=['nightly'],
    )
}}

with

orders as (
    select
        customer_id,
        currency,
        {{ month_start('order_date') }} as order_month,
        net_amount - known_refunded_amount as net_amount
    from {{ ref('int_counted_orders') }}
),

-- Per currency, so that whoever begins to pay in another one is of a cohort there and month 0 is always whole.
beginnings as (
    select
        customer_id,
        currency,
        min(order_month) as cohort_month
    from orders
    group by customer_id, currency
),

cohorts as (
    select
        cohort_month,
        currency,
        count(*) as cohort_size
    from beginnings
    group by cohort_month, currency
),

activity as (
    select
        beginnings.cohort_month,
        beginnings.currency,
        orders.order_month,
        count(distinct orders.customer_id) as active_customers,
        count(*) as orders_count,
        sum(orders.net_amount) as net_amount
    from orders
    inner join beginnings on orders.customer_id = beginnings.customer_id and orders.currency = beginnings.currency
    group by beginnings.cohort_month, beginnings.currency, orders.order_month
),

months as (
    select distinct month_start as order_month
    from {{ ref('dim_date') }}
    where month_start <= (select max(placed.order_date) from {{ ref('fct_orders') }} as placed)
    union
    -- Also those of an order that a wrong clock dated outside of dim_date: what counts is in some cohort.
    select order_month from activity
),

-- Months in which nobody of the cohort came back are rows too: a curve that leaves them out looks flatter than it is.
grid as (
    select
        cohorts.cohort_month,
        cohorts.currency,
        cohorts.cohort_size,
        months.order_month,
        coalesce(activity.active_customers, 0) as active_customers,
        coalesce(activity.orders_count, 0) as orders_count,
        coalesce(activity.net_amount, 0) as net_amount,
        sum(coalesce(activity.net_amount, 0)) over (
            partition by cohorts.cohort_month, cohorts.currency
            order by months.order_month
        ) as cumulative_net_amount
    from cohorts
    inner join months on cohorts.cohort_month <= months.order_month
    left join activity
        on
            cohorts.cohort_month = activity.cohort_month
            and cohorts.currency = activity.currency
            and months.order_month = activity.order_month
)

select
    {{ surrogate_key(['cohort_month', 'currency', 'order_month']) }} as cohort_retention_id,
    cohort_month,
    currency,
    {{ months_between('cohort_month', 'order_month') }} as month_number,
    order_month,
    cohort_size,
    active_customers,
    {{ ratio('active_customers', 'cohort_size') }} as retention_rate,
    orders_count,
    {{ money('net_amount') }} as net_amount,
    {{ money('cumulative_net_amount') }} as cumulative_net_amount,
    {{ money(rounded_in('cumulative_net_amount / cohort_size', 'currency')) }} as cumulative_net_per_customer
from grid
