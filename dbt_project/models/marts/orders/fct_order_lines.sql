{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_id', 'line_number']},
            {'columns': ['product_id', 'ordered_at']},
            {'columns': ['order_date']},
        ],
        tags=['hot'],
        meta={'day_column': 'order_date'},
    )
}}

-- Named here because dbt does not look into a conditional block for what a model reads.
-- depends_on: {{ ref('stg_product_descriptions') }}
-- depends_on: {{ ref('stg_product_prices') }}
with

{% if is_incremental() %}
described as (
    {{ restated_since(ref('stg_product_descriptions'), 'product_id', 'described_at') }}
),

priced as (
    {{ restated_since(ref('stg_product_prices'), 'product_id', 'priced_at') }}
),

news as (
    select * from described
    union all
    select * from priced
),

restated as (
    select
        product_id,
        min(since) as since
    from news
    group by product_id
),

touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    -- A description or price that lands late changes category or cost of the lines that were sold under it.
    select sold.order_id from {{ rows_of_keys_since(this, 'product_id', 'restated', 'ordered_at') }} as sold
),
{% endif %}

placed as (
    select
        event_id,
        order_id,
        {{ as_placed('placed_at') }} as ordered_at,
        {{ telling_of_order() }} as telling
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

lines as (
    select * from {{ rows_to_build(ref('stg_order_lines'), 'order_id') }} as events
),

cancelled as (
    select distinct order_id from {{ rows_to_build(ref('stg_order_progress'), 'order_id') }} as events
    where step = 'cancelled'
),

{% if is_incremental() %}
sold_products as (
    select distinct product_id from lines
),
{% endif %}

standing as (
    select
        lines.*,
        placed.ordered_at,
        {{ day_in_tz('placed.ordered_at') }} as order_date,
        cancelled.order_id is not null as is_cancelled,
        history.category,
        prices.unit_cost,
        prices.currency as cost_currency
    from lines
    inner join placed on lines.event_id = placed.event_id
    left join cancelled on lines.order_id = cancelled.order_id
    left join {{ history_of(ref('int_product_history'), 'product_id', 'sold_products') }} as history
        on
            lines.product_id = history.product_id
            and (history.valid_from is null or placed.ordered_at >= history.valid_from)
            and (history.valid_to is null or placed.ordered_at < history.valid_to)
    left join {{ history_of(ref('int_product_price_history'), 'product_id', 'sold_products') }} as prices
        on
            lines.product_id = prices.product_id
            and (prices.valid_from is null or placed.ordered_at >= prices.valid_from)
            and (prices.valid_to is null or placed.ordered_at < prices.valid_to)
    where placed.telling <= 1
),

foreign_days as (
    select
        currency,
        order_date as date_day
    from standing
    where cost_currency <> currency
    union
    select
        cost_currency as currency,
        order_date as date_day
    from standing
    where cost_currency <> currency
),

rates as (
    {{ exchange_rates_on('foreign_days') }}
),

-- A cost in another currency than the sale's is converted at the rates of the order's day; without them it is unknown.
costed as (
    select
        standing.*,
        case
            when standing.cost_currency = standing.currency then standing.unit_cost
            else {{
                rounded_in('standing.unit_cost * cost_rates.rate_to_base / sale_rates.rate_to_base', 'standing.currency')
            }}
        end as unit_cost_of_sale
    from standing
    left join rates as cost_rates
        on standing.cost_currency = cost_rates.currency and standing.order_date = cost_rates.date_day
    left join rates as sale_rates
        on standing.currency = sale_rates.currency and standing.order_date = sale_rates.date_day
)

select
    {{ surrogate_key(['order_id', 'line_position']) }} as order_line_id,
    order_id,
    line_number,
    product_id,
    coalesce(category, 'unknown') as category,
    ordered_at,
    order_date,
    currency,
    quantity,
    unit_price,
    {{ money('quantity * unit_price') }} as gross_amount,
    discount_amount,
    {{ money('quantity * unit_price - discount_amount') }} as net_amount,
    tax_amount,
    is_cancelled,
    {{ money('unit_cost_of_sale') }} as unit_cost,
    {{ money('quantity * unit_cost_of_sale') }} as cost_amount,
    {{ money('quantity * unit_price - discount_amount - quantity * unit_cost_of_sale') }} as margin_amount,
    {{
        ratio('quantity * unit_price - discount_amount - quantity * unit_cost_of_sale',
            '(quantity * unit_price - discount_amount)')
    }} as margin_rate
from costed
