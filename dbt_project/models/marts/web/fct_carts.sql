{{
    config(
        materialized='incremental',
        unique_key='session_id',
        indexes=[
            {'columns': ['session_date']},
        ],
    )
}}

-- A session that once put something into its cart stays one for ever, so no row has to vanish: neither an order nor an
-- emptied cart takes the row away, they change its outcome.
-- depends_on: {{ ref('stg_orders_placed') }}
with

{% if is_incremental() %}
touched_orders as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
),

touched as (
    {{ touched_keys(ref('stg_web_events'), 'session_id') }}
    union
    -- As in fct_sessions: also the session that an order turns out not to have come from.
    select tellings.session_id
    from {{ rows_of_keys(ref('stg_orders_placed'), 'order_id', 'touched_orders') }} as tellings
    where tellings.session_id is not null
),
{% endif %}

sessions as (
    select * from {{ rows_to_build(ref('fct_sessions'), 'session_id') }} as facts
    where has_cart
),

-- Few of the touched sessions have a cart: only their events are read.
{% if is_incremental() %}
events as (
    select * from {{ rows_of_keys(ref('stg_web_events'), 'session_id', 'sessions') }} as events
),
{% else %}
events as (
    select * from {{ ref('stg_web_events') }}
),
{% endif %}

changes as (
    select
        session_id,
        product_id,
        occurred_at,
        cart_quantity,
        unit_price,
        currency,
        row_number() over (partition by session_id, product_id order by occurred_at desc, event_id desc) as recency,
        row_number() over (partition by session_id order by occurred_at desc, event_id desc) as session_recency
    from events
    where event_name = 'cart_changed'
),

carts as (
    select
        session_id,
        max(occurred_at) as last_changed_at,
        max(case when session_recency <= 1 then currency end) as currency,
        sum(case when cart_quantity > 0 then 1 else 0 end) as products_count,
        sum(cart_quantity) as units,
        sum(cart_quantity * unit_price) as cart_value,
        count(distinct case when cart_quantity > 0 then currency end) as currencies_count
    from changes
    where recency <= 1
    group by session_id
)

select
    sessions.session_id,
    sessions.visitor_id,
    sessions.customer_id,
    sessions.started_at,
    carts.last_changed_at,
    sessions.ended_at,
    sessions.session_date,
    sessions.channel,
    sessions.campaign,
    sessions.device,
    sessions.country,
    carts.currency,
    cast(carts.products_count as integer) as products_count,
    cast(carts.units as bigint) as units,
    -- Prices of different currencies cannot be added.
    {{ money('case when carts.currencies_count <= 1 then carts.cart_value end') }} as cart_value,
    sessions.has_checkout,
    sessions.has_order,
    sessions.order_id,
    case
        when sessions.has_order then 'ordered'
        when carts.units = 0 then 'emptied'
        else 'left'
    end as outcome
from sessions
inner join carts on sessions.session_id = carts.session_id
