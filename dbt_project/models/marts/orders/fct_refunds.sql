{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_id']},
            {'columns': ['refund_date']},
        ],
        tags=['hot'],
        meta={'day_column': 'refund_date'},
    )
}}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_refunds'), 'order_id') }}
),
{% endif %}

tellings as (
    select
        order_id,
        {{ as_placed('placed_at') }} as placed_at,
        currency,
        channel,
        country,
        device,
        {{ telling_of_order() }} as telling
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

placed as (
    select * from tellings
    where telling <= 1
),

cancelled as (
    select distinct order_id from {{ rows_to_build(ref('stg_order_progress'), 'order_id') }} as events
    where step = 'cancelled'
),

refunds as (
    select
        *,
        row_number() over (partition by order_id, refund_id order by issued_at, event_id) as telling,
        count(*) over (partition by order_id, refund_id) as tellings
    from {{ rows_to_build(ref('stg_refunds'), 'order_id') }} as events
),

-- Refunds that several events tell. Version 1 does not tell the tax of a line, so that is not compared.
repeated as (
    select
        event_id,
        order_id,
        refund_id,
        return_id,
        currency,
        reason,
        amount,
        tax_amount,
        coalesce(shipping_amount, 0) as shipping_amount,
        tellings
    from refunds
    where tellings > 1
),

lines_told as (
    select
        lines.event_id,
        {{ content_of_lines(['line_number', 'product_id', 'quantity'], ['lines.amount']) }} as content
    from {{ rows_to_build(ref('stg_refund_lines'), 'order_id') }} as lines
    inner join repeated on lines.event_id = repeated.event_id
    group by lines.event_id
),

with_lines as (
    select
        repeated.*,
        lines_told.content
    from repeated
    left join lines_told on repeated.event_id = lines_told.event_id
),

told_differently as (
    {{
        told_differently('with_lines', ['order_id', 'refund_id'],
            ['return_id', 'currency', 'reason', 'amount', 'tax_amount', 'shipping_amount', 'content'])
    }}
),

standing as (
    select
        refunds.*,
        placed.currency as order_currency,
        placed.channel,
        placed.country,
        placed.device,
        {{ day_in_tz('placed.placed_at') }} as order_date
    from refunds
    inner join placed on refunds.order_id = placed.order_id
    where refunds.telling <= 1
),

days_of_rates as (
    select
        currency,
        order_date as date_day
    from standing
    union
    select
        order_currency as currency,
        order_date as date_day
    from standing
),

rates as (
    {{ exchange_rates_on('days_of_rates') }}
)

select
    {{ surrogate_key(['standing.order_id', 'standing.refund_id']) }} as order_refund_id,
    standing.refund_id,
    standing.order_id,
    standing.return_id,
    standing.issued_at as refunded_at,
    {{ day_in_tz('standing.issued_at') }} as refund_date,
    standing.amount,
    standing.tax_amount,
    standing.currency,
    standing.reason,
    -- Of the order: roll-ups by day then read the refunds of the day and nothing else.
    standing.channel,
    standing.country,
    standing.device,
    cancelled.order_id is not null as is_order_cancelled,
    -- At the rate of the order's day, so that what went out comes back at the same rate.
    {{ money(rounded_in_base('standing.amount * rates.rate_to_base')) }} as amount_base,
    standing.order_currency,
    {{
        money(converted('standing.amount', 'standing.currency', 'standing.order_currency', 'rates.rate_to_base',
            'order_rates.rate_to_base'))
    }} as amount_in_order_currency,
    {{
        money(converted('standing.tax_amount', 'standing.currency', 'standing.order_currency', 'rates.rate_to_base',
            'order_rates.rate_to_base'))
    }} as tax_amount_in_order_currency,
    {{ money('coalesce(standing.shipping_amount, 0)') }} as shipping_amount,
    {{
        money(converted('coalesce(standing.shipping_amount, 0)', 'standing.currency', 'standing.order_currency',
            'rates.rate_to_base', 'order_rates.rate_to_base'))
    }} as shipping_amount_in_order_currency,
    told_differently.refund_id is not null as has_contradicting_events
from standing
left join told_differently
    on standing.order_id = told_differently.order_id and standing.refund_id = told_differently.refund_id
left join cancelled on standing.order_id = cancelled.order_id
left join rates on standing.currency = rates.currency and standing.order_date = rates.date_day
left join rates as order_rates
    on standing.order_currency = order_rates.currency and standing.order_date = order_rates.date_day
