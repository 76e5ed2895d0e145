{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_id']},
            {'columns': ['payment_date']},
        ],
    )
}}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_payments'), 'order_id') }}
),
{% endif %}

placed as (
    select distinct order_id from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

-- An attempt that was told twice (pending failure, then success) stands as it was told last. Within its order: if two
-- orders claim the same one, neither may change what the other shows.
attempts as (
    select
        *,
        row_number() over (partition by order_id, payment_id order by attempted_at desc, event_id desc) as recency
    from {{ rows_to_build(ref('stg_payments'), 'order_id') }} as events
)

select
    {{ surrogate_key(['attempts.order_id', 'attempts.payment_id']) }} as order_payment_id,
    attempts.payment_id,
    attempts.order_id,
    attempts.attempted_at,
    {{ day_in_tz('attempts.attempted_at') }} as payment_date,
    attempts.method,
    attempts.status,
    attempts.failure_reason,
    attempts.amount,
    attempts.currency
from attempts
inner join placed on attempts.order_id = placed.order_id
where attempts.recency <= 1
