{{
    config(
        severity='warn',
        store_failures=true,
        limit=1000,
        meta={'dagster': {'ref': {'name': 'fct_orders'}}},
    )
}}

-- Orders with events but no placing for more than a week of event time: their `placed` is lost or a dead letter.
-- They appear in no mart. The newest event stands for "now", and one whose clock is ahead for the moment when it landed.
with

followers as (
    select order_id, attempted_at as occurred_at from {{ ref('stg_payments') }}
    union all
    select order_id, occurred_at from {{ ref('stg_order_progress') }}
    union all
    select order_id, issued_at as occurred_at from {{ ref('stg_refunds') }}
),

waiting as (
    select
        followers.order_id,
        max(followers.occurred_at) as last_event_at
    from followers
    left join {{ ref('fct_orders') }} as orders on followers.order_id = orders.order_id
    where orders.order_id is null
    group by followers.order_id
)

select *
from waiting
where last_event_at < (select newest_at - interval '7 days' from {{ ref('int_newest_day') }})
