{{
    config(
        indexes=[
            {'columns': ['abandoned_date']},
        ],
    )
}}

-- Rebuilt whole: a late order takes a cart out of here, a later order elsewhere marks it as recovered, and the carts
-- that were left are a small part of the sessions.
with

-- "Now" is the newest activity in the data. Within half an hour of it a visitor may still be there.
abandoned as (
    select * from {{ ref('fct_carts') }}
    where
        outcome = 'left'
        and ended_at <= (select max(newest.ended_at) - interval '30 minutes' from {{ ref('fct_carts') }} as newest)
),

orders as (
    select
        orders.order_id,
        orders.ordered_at,
        orders.customer_id,
        sessions.visitor_id
    from {{ ref('fct_orders') }} as orders
    left join {{ ref('fct_sessions') }} as sessions on orders.session_id = sessions.session_id
),

later_orders as (
    select
        abandoned.session_id,
        abandoned.ended_at,
        orders.order_id,
        orders.ordered_at
    from abandoned
    inner join orders on abandoned.customer_id = orders.customer_id
    union
    select
        abandoned.session_id,
        abandoned.ended_at,
        orders.order_id,
        orders.ordered_at
    from abandoned
    inner join orders on abandoned.visitor_id = orders.visitor_id
),

recoveries as (
    select
        session_id,
        order_id,
        ordered_at,
        row_number() over (partition by session_id order by ordered_at, order_id) as order_number
    from later_orders
    -- Seven days, in hours: days would depend on the connection's time zone.
    where ordered_at > ended_at and ordered_at <= ended_at + interval '168 hours'
)

select
    abandoned.session_id,
    abandoned.visitor_id,
    abandoned.customer_id,
    abandoned.started_at,
    abandoned.ended_at as abandoned_at,
    {{ day_in_tz('abandoned.ended_at') }} as abandoned_date,
    abandoned.channel,
    abandoned.campaign,
    abandoned.device,
    abandoned.country,
    abandoned.currency,
    abandoned.products_count,
    abandoned.units,
    abandoned.cart_value,
    abandoned.has_checkout as reached_checkout,
    recoveries.order_id is not null as is_recovered,
    recoveries.order_id as recovered_by_order_id,
    recoveries.ordered_at as recovered_at
from abandoned
left join recoveries on abandoned.session_id = recoveries.session_id and recoveries.order_number = 1
