{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_date']},
            {'columns': ['coupon']},
        ],
    )
}}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    {{ orders_with_erased_coupons() }}
),
{% endif %}

-- An order that was ever told with a discount keeps its row, also when the telling that stands has none: a row that
-- vanished from a recomputation would stay in the table, because nothing would name its key.
placed as (
    select
        *,
        {{ as_placed('coupon') }} as typed_coupon,
        {{ as_placed('placed_at') }} as ordered_at,
        {{ telling_of_order() }} as telling,
        count(coupon) over (partition by order_id) as tellings_with_coupon,
        sum(discount_amount) over (partition by order_id) as discount_told
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

cancelled as (
    select distinct order_id from {{ rows_to_build(ref('stg_order_progress'), 'order_id') }} as events
    where step = 'cancelled'
)

select
    placed.order_id,
    placed.customer_id,
    placed.ordered_at,
    {{ day_in_tz('placed.ordered_at') }} as order_date,
    placed.channel,
    placed.campaign,
    placed.typed_coupon as coupon,
    placed.typed_coupon is not null as has_coupon,
    placed.currency,
    placed.gross_amount,
    placed.discount_amount,
    {{ ratio('placed.discount_amount', 'placed.gross_amount') }} as discount_rate,
    {{ money('placed.gross_amount - placed.discount_amount') }} as net_amount,
    cancelled.order_id is not null as is_cancelled
from placed
left join cancelled on placed.order_id = cancelled.order_id
where placed.telling <= 1 and (placed.tellings_with_coupon > 0 or placed.discount_told > 0)
