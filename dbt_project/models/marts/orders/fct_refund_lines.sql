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

tellings as (
    select
        order_id,
        placed_at,
        currency,
        {{ telling_of_order() }} as telling
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

placed as (
    select
        order_id,
        currency,
        {{ day_in_tz('placed_at') }} as order_date
    from tellings
    where telling <= 1
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
        product_id,
        category,
        row_number() over (partition by order_id, line_number order by category, order_line_id) as candidate
    from {{ rows_to_build(ref('fct_order_lines'), 'order_id') }} as events
),

sales as (
    select * from numbered_sales
    where candidate <= 1
),

products_sold as (
    select distinct
        order_id,
        product_id
    from numbered_sales
),

standing as (
    select
        lines.*,
        refunds.currency,
        refunds.reason,
        placed.currency as order_currency,
        placed.order_date
    from lines
    inner join refunds on lines.event_id = refunds.event_id
    inner join placed on lines.order_id = placed.order_id
    where refunds.telling <= 1
),

days_of_rates as (
    {{ days_to_convert('standing') }}
),

rates as (
    {{ exchange_rates_on('days_of_rates') }}
)

select
    {{ surrogate_key(['standing.order_id', 'standing.refund_id', 'standing.line_position']) }} as refund_line_id,
    {{ surrogate_key(['standing.order_id', 'standing.refund_id']) }} as order_refund_id,
    standing.refund_id,
    standing.order_id,
    standing.line_position,
    standing.line_number,
    sales.order_line_id,
    standing.product_id,
    coalesce(sales.category, 'unknown') as category,
    standing.issued_at as refunded_at,
    {{ day_in_tz('standing.issued_at') }} as refund_date,
    standing.order_date,
    standing.quantity,
    standing.amount,
    standing.currency,
    standing.reason,
    cancelled.order_id is not null as is_order_cancelled,
    standing.order_currency,
    {{
        money(converted('standing.amount', 'standing.currency', 'standing.order_currency', 'rates.rate_to_base',
            'order_rates.rate_to_base'))
    }} as amount_in_order_currency,
    products_sold.order_id is not null as is_of_sold_product
from standing
left join cancelled on standing.order_id = cancelled.order_id
left join sales on standing.order_id = sales.order_id and standing.line_number = sales.line_number
left join products_sold
    on standing.order_id = products_sold.order_id and standing.product_id = products_sold.product_id
left join rates on standing.currency = rates.currency and standing.order_date = rates.date_day
left join rates as order_rates
    on standing.order_currency = order_rates.currency and standing.order_date = order_rates.date_day
