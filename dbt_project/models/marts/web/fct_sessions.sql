{{
    config(
        materialized='incremental',
        unique_key='session_id',
        indexes=[
            {'columns': ['session_date']},
            {'columns': ['visitor_id']},
        ],
        tags=['hot'],
        meta={'day_column': 'session_date'},
    )
}}

-- Named here because dbt does not look into a conditional block for what a model reads.
-- depends_on: {{ ref('stg_orders_placed') }}
with

{% if is_incremental() %}
touched_orders as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
),

touched as (
    {{ touched_keys(ref('stg_web_events'), 'session_id') }}
    union
    -- Of every telling of a touched order: the session named by one that no longer stands loses the order.
    select tellings.session_id
    from {{ rows_of_keys(ref('stg_orders_placed'), 'order_id', 'touched_orders') }} as tellings
    where tellings.session_id is not null
),
{% endif %}

started as (
    select
        *,
        row_number() over (partition by session_id order by started_at, event_id) as telling,
        count(*) over (partition by session_id) as tellings
    from {{ rows_to_build(ref('stg_sessions_started'), 'session_id') }} as events
),

told_differently as (
    {{
        told_differently('started', ['session_id'],
            ['visitor_id', 'customer_id', 'channel', 'campaign', 'device', 'country'])
    }}
),

activity as (
    select
        session_id,
        max(occurred_at) as ended_at,
        max(currency) as currency,
        sum(case when event_name = 'page_viewed' then 1 else 0 end) as page_views,
        sum(case when event_name = 'product_viewed' then 1 else 0 end) as product_views,
        sum(case when event_name = 'searched' then 1 else 0 end) as searches,
        sum(case when event_name = 'cart_changed' and quantity_delta > 0 then 1 else 0 end) as cart_adds,
        sum(case when event_name = 'checkout_started' then 1 else 0 end) as checkouts
    from {{ rows_to_build(ref('stg_web_events'), 'session_id') }} as events
    group by session_id
),

orders as (
    select
        session_id,
        order_id,
        customer_id,
        currency,
        row_number() over (partition by session_id order by ordered_at, order_id) as order_number
    from {{ rows_to_build(ref('fct_orders'), 'session_id') }} as events
    where session_id is not null
)

select
    started.session_id,
    started.visitor_id,
    coalesce(started.customer_id, orders.customer_id) as customer_id,
    started.started_at,
    activity.ended_at,
    {{ day_in_tz('started.started_at') }} as session_date,
    started.channel,
    started.campaign,
    started.device,
    started.country,
    coalesce(orders.currency, activity.currency, '{{ var("shop_currency") }}') as currency,
    cast(activity.page_views as integer) as page_views,
    cast(activity.product_views as integer) as product_views,
    cast(activity.searches as integer) as searches,
    cast(activity.cart_adds as integer) as cart_adds,
    activity.product_views > 0 as has_product_view,
    activity.cart_adds > 0 as has_cart,
    activity.checkouts > 0 as has_checkout,
    orders.order_id is not null as has_order,
    orders.order_id,
    told_differently.session_id is not null as has_contradicting_events
from started
left join told_differently on started.session_id = told_differently.session_id
inner join activity on started.session_id = activity.session_id
left join orders on started.session_id = orders.session_id and orders.order_number = 1
where started.telling <= 1
