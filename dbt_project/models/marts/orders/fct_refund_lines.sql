{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_id']},
            {'columns': ['product_id']},
            {'columns': ['refund_date']},
        ],
        tags=['hot'],
        meta={'day_column': 'refund_date'},
    )
}}

-- Named here because dbt does not look into a conditional block for what a model reads.
-- depends_on: {{ ref('stg_product_descriptions') }}
with

{% if is_incremental() %}
described as (
    {{ restated_since(ref('stg_product_descriptions'), 'product_id', 'described_at') }}
),

touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_refunds'), 'order_id') }}
    union
    -- The line's category follows a description that lands late.
    select sold.order_id
    from {{ rows_of_keys_since(ref('fct_order_lines'), 'product_id', 'described', 'ordered_at') }} as sold
),
{% endif %}

-- The first telling's time, as in fct_orders.
placed as (
    select
        order_id,
        min(placed_at) as placed_at
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
    group by order_id
),

cancelled as (
    select distinct order_id from {{ rows_to_build(ref('stg_order_progress'), 'order_id') }} as events
    where step = 'cancelled'
),

refunds as (
    select
        *,
        row_number() over (partition by order_id, refund_id order by issued_at, event_id) as telling
    from {{ rows_to_build(ref('stg_refunds'), 'order_id') }} as events
),

lines as (
    select * from {{ rows_to_build(ref('stg_refund_lines'), 'order_id') }} as events
),

-- A shop that repeats a line number within an order must not double the refund.
numbered_sales as (
    select
        order_line_id,
        order_id,
        line_number,
        category,
        row_number() over (partition by order_id, line_number order by category, order_line_id) as candidate
    from {{ rows_to_build(ref('fct_order_lines'), 'order_id') }} as events
),

sales as (
    select * from numbered_sales
    where candidate <= 1
)

select
    {{ surrogate_key(['lines.order_id', 'lines.refund_id', 'lines.line_position']) }} as refund_line_id,
    {{ surrogate_key(['lines.order_id', 'lines.refund_id']) }} as order_refund_id,
    lines.refund_id,
    lines.order_id,
    lines.line_position,
    lines.line_number,
    sales.order_line_id,
    lines.product_id,
    coalesce(sales.category, 'unknown') as category,
    lines.issued_at as refunded_at,
    {{ day_in_tz('lines.issued_at') }} as refund_date,
    {{ day_in_tz('placed.placed_at') }} as order_date,
    lines.quantity,
    lines.amount,
    refunds.currency,
    refunds.reason,
    cancelled.order_id is not null as is_order_cancelled
from lines
inner join refunds on lines.event_id = refunds.event_id
inner join placed on lines.order_id = placed.order_id
left join cancelled on lines.order_id = cancelled.order_id
left join sales on lines.order_id = sales.order_id and lines.line_number = sales.line_number
where refunds.telling <= 1
