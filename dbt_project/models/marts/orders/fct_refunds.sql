{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='order_id',
        on_schema_change='fail',
        indexes=[
            {'columns': ['order_id']},
            {'columns': ['refund_date']},
        ],
        tags=['hot'],
    )
}}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_refunds'), 'order_id') }}
),
{% endif %}

placed as (
    select distinct order_id from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

refunds as (
    select
        *,
        row_number() over (partition by order_id, refund_id order by issued_at, event_id) as telling
    from {{ rows_to_build(ref('stg_refunds'), 'order_id') }} as events
)

select
    {{ surrogate_key(['refunds.order_id', 'refunds.refund_id']) }} as order_refund_id,
    refunds.refund_id,
    refunds.order_id,
    refunds.return_id,
    refunds.issued_at as refunded_at,
    {{ day_in_tz('refunds.issued_at') }} as refund_date,
    refunds.amount,
    refunds.tax_amount,
    refunds.currency,
    refunds.reason
from refunds
inner join placed on refunds.order_id = placed.order_id
where refunds.telling <= 1
