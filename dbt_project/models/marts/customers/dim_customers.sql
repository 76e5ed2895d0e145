{{
    config(
        indexes=[
            {'columns': ['cohort_month']},
        ],
    )
}}

with

ranked as (
    select
        *,
        row_number() over (partition by customer_id order by changed_at desc, event_id desc) as recency
    from {{ ref('stg_customer_states') }}
),

states as (
    select * from ranked
    where recency <= 1
),

creations as (
    select
        customer_id,
        min(changed_at) as created_at,
        -- An update does not repeat by which channel the customer once came.
        min(acquisition_channel) as acquisition_channel
    from {{ ref('stg_customer_states') }}
    where is_creation
    group by customer_id
),

erasures as (
    select distinct customer_id from {{ ref('stg_customer_erasures') }}
),

orders as (
    select
        customer_id,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at,
        min(order_date) as first_order_date,
        count(*) as orders_count,
        sum(gross_amount) as gross_amount,
        sum(net_amount - refunded_amount) as net_amount
    from {{ ref('int_counted_orders') }}
    group by customer_id
),

-- Whoever ordered is a customer, even when the account's own event is late or dead.
customers as (
    select customer_id from states
    union
    select customer_id from erasures
    union
    select customer_id from {{ ref('fct_orders') }}
)

select
    customers.customer_id,
    states.country,
    case when erasures.customer_id is null then states.region end as region,
    case when erasures.customer_id is null then states.city end as city,
    case when erasures.customer_id is null then states.locale end as locale,
    creations.acquisition_channel,
    coalesce(erasures.customer_id is null and states.has_marketing_consent, false) as marketing_consent,
    erasures.customer_id is not null as is_erased,
    creations.customer_id is null as is_inferred,
    creations.created_at,
    orders.first_order_at,
    orders.last_order_at,
    coalesce(orders.orders_count, 0) as orders_count,
    {{ money('coalesce(orders.gross_amount, 0)') }} as gross_amount,
    {{ money('coalesce(orders.net_amount, 0)') }} as net_amount,
    {{ month_start('orders.first_order_date') }} as cohort_month
from customers
left join states on customers.customer_id = states.customer_id
left join creations on customers.customer_id = creations.customer_id
left join erasures on customers.customer_id = erasures.customer_id
left join orders on customers.customer_id = orders.customer_id
