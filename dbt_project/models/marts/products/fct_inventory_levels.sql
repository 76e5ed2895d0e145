{{
    config(
        materialized='incremental',
        unique_key='product_id',
        indexes=[
            {'columns': ['product_id']},
            {'columns': ['stock_date']},
        ],
    )
}}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(ref('stg_stock_changes'), 'product_id') }}
),
{% endif %}

-- A movement has no id of its own, but two of them cannot end on the same level at the same instant: the same content
-- under another event id is a repetition. The last of them stands, as in dim_products.
told as (
    select
        *,
        row_number() over (
            partition by product_id, warehouse, changed_at, quantity_delta, stock_level, reason, order_id
            order by event_id desc
        ) as repetition
    from {{ rows_to_build(ref('stg_stock_changes'), 'product_id') }} as events
),

movements as (
    select
        event_id,
        product_id,
        warehouse,
        changed_at,
        {{ day_in_tz('changed_at') }} as stock_date,
        quantity_delta,
        stock_level
    from told
    where repetition <= 1
),

changes as (
    select
        *,
        row_number() over (partition by product_id, warehouse, stock_date order by changed_at, event_id) as place,
        row_number() over (
            partition by product_id, warehouse, stock_date
            order by changed_at desc, event_id desc
        ) as recency
    from movements
),

days as (
    select
        product_id,
        warehouse,
        stock_date,
        count(*) as changes_count,
        sum(case when quantity_delta > 0 then quantity_delta else 0 end) as units_in,
        sum(case when quantity_delta < 0 then -quantity_delta else 0 end) as units_out,
        min(stock_level) as lowest_level,
        max(case when place = 1 then stock_level - quantity_delta end) as level_before,
        max(case when recency = 1 then stock_level end) as closing_level,
        max(changed_at) as last_changed_at
    from changes
    group by product_id, warehouse, stock_date
),

levels as (
    select
        *,
        coalesce(
            lag(closing_level) over (partition by product_id, warehouse order by stock_date), level_before
        ) as opening_level,
        row_number() over (partition by product_id, warehouse order by stock_date desc) as recency
    from days
)

select
    {{ surrogate_key(['product_id', 'warehouse', 'stock_date']) }} as inventory_level_id,
    product_id,
    warehouse,
    stock_date,
    cast(opening_level as bigint) as opening_level,
    cast(units_in as bigint) as units_in,
    cast(units_out as bigint) as units_out,
    cast(closing_level - opening_level - units_in + units_out as bigint) as unexplained_units,
    cast(closing_level as bigint) as closing_level,
    cast(lowest_level as bigint) as lowest_level,
    changes_count,
    lowest_level <= 0 as is_stockout,
    recency = 1 as is_latest,
    last_changed_at
from levels
