{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='order_id',
        on_schema_change='fail',
        indexes=[
            {'columns': ['order_id', 'line_number']},
            {'columns': ['product_id']},
            {'columns': ['order_date']},
        ],
        tags=['hot'],
    )
}}

-- Named here because dbt does not look into a conditional block for what a model reads.
-- depends_on: {{ ref('stg_product_descriptions') }}
with

{% if is_incremental() %}
described as (
    select distinct product_id from {{ ref('stg_product_descriptions') }}
    where _xid >= {{ watermark_floor() }}
),

touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    -- A description that lands late changes the category of lines that were sold under it.
    select sold.order_id from {{ rows_of_keys(this, 'product_id', 'described') }} as sold
),
{% endif %}

placed as (
    select
        event_id,
        order_id,
        row_number() over (partition by order_id order by placed_at, event_id) as telling
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

lines as (
    select * from {{ rows_to_build(ref('stg_order_lines'), 'order_id') }} as events
),

cancelled as (
    select distinct order_id from {{ rows_to_build(ref('stg_order_progress'), 'order_id') }} as events
    where step = 'cancelled'
)

select
    {{ surrogate_key(['lines.order_id', 'lines.line_position']) }} as order_line_id,
    lines.order_id,
    lines.line_number,
    lines.product_id,
    coalesce(history.category, 'unknown') as category,
    lines.placed_at as ordered_at,
    {{ day_in_tz('lines.placed_at') }} as order_date,
    lines.currency,
    lines.quantity,
    lines.unit_price,
    {{ money('lines.quantity * lines.unit_price') }} as gross_amount,
    lines.discount_amount,
    {{ money('lines.quantity * lines.unit_price - lines.discount_amount') }} as net_amount,
    lines.tax_amount,
    cancelled.order_id is not null as is_cancelled
from lines
inner join placed on lines.event_id = placed.event_id
left join cancelled on lines.order_id = cancelled.order_id
left join {{ ref('int_product_history') }} as history
    on
        lines.product_id = history.product_id
        and (history.valid_from is null or lines.placed_at >= history.valid_from)
        and (history.valid_to is null or lines.placed_at < history.valid_to)
where placed.telling <= 1
