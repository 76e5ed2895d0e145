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
    select
        order_id,
        currency as order_currency,
        {{ day_in_tz(as_placed('placed_at')) }} as order_date,
        {{ telling_of_order() }} as telling
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

-- An attempt that was told twice (pending failure, then success) stands as it was told last. Within its order: if two
-- orders claim the same one, neither may change what the other shows.
attempts as (
    select
        *,
        row_number() over (partition by order_id, payment_id order by attempted_at desc, event_id desc) as recency,
        count(*) over (partition by order_id, payment_id) as tellings
    from {{ rows_to_build(ref('stg_payments'), 'order_id') }} as events
),

told_differently as (
    {{ told_differently('attempts', ['order_id', 'payment_id'], ['method', 'amount', 'currency']) }}
    union
    -- A failure may become a success, but what has moved does not fail afterwards.
    select
        order_id,
        payment_id
    from attempts
    where tellings > 1
    group by order_id, payment_id
    having
        max(case when status = 'failed' then attempted_at end)
        > min(case when status = 'succeeded' then attempted_at end)
),

standing as (
    select
        attempts.*,
        placed.order_currency,
        placed.order_date
    from attempts
    inner join placed on attempts.order_id = placed.order_id
    where attempts.recency <= 1 and placed.telling <= 1
),

foreign_days as (
    {{ days_to_convert('standing') }}
),

rates as (
    {{ exchange_rates_on('foreign_days') }}
)

select
    {{ surrogate_key(['standing.order_id', 'standing.payment_id']) }} as order_payment_id,
    standing.payment_id,
    standing.order_id,
    standing.attempted_at,
    {{ day_in_tz('standing.attempted_at') }} as payment_date,
    standing.method,
    standing.status,
    standing.failure_reason,
    standing.amount,
    standing.currency,
    standing.order_currency,
    -- At the rates of the order's day, as everything of an order.
    {{
        money(converted('standing.amount', 'standing.currency', 'standing.order_currency', 'told_rates.rate_to_base',
            'order_rates.rate_to_base'))
    }} as amount_in_order_currency,
    told_differently.payment_id is not null as has_contradicting_events
from standing
left join told_differently
    on standing.order_id = told_differently.order_id and standing.payment_id = told_differently.payment_id
left join rates as told_rates
    on standing.currency = told_rates.currency and standing.order_date = told_rates.date_day
left join rates as order_rates
    on standing.order_currency = order_rates.currency and standing.order_date = order_rates.date_day
