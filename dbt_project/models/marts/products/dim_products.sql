{{
    config(
        indexes=[
            {'columns': ['category']},
        ],
    )
}}

with

descriptions as (
    select * from {{ ref('int_product_history') }}
    where valid_to is null
),

creations as (
    select
        product_id,
        min(described_at) as created_at,
        min(sku) as sku
    from {{ ref('stg_product_descriptions') }}
    where is_creation
    group by product_id
),

ranked_prices as (
    select
        *,
        row_number() over (partition by product_id order by priced_at desc, event_id desc) as recency,
        count(*) over (partition by product_id, priced_at) as tellings
    from {{ ref('stg_product_prices') }}
),

prices as (
    select * from ranked_prices
    where recency <= 1
),

described as (
    select
        *,
        count(*) over (partition by product_id, described_at) as tellings
    from {{ ref('stg_product_descriptions') }}
),

-- The newest stands; of two that are told of the same moment nobody knows which is newer.
told_differently as (
    select product_id
    from (
        {{
            told_differently('described', ['product_id', 'described_at'],
                ['product_name', 'category', 'subcategory', 'brand', 'is_active'])
        }}
    ) as descriptions_of_a_moment
    union
    select product_id
    from (
        {{ told_differently('ranked_prices', ['product_id', 'priced_at'], ['price', 'unit_cost', 'currency']) }}
    ) as prices_of_a_moment
),

price_changes as (
    select
        product_id,
        max(priced_at) as price_changed_at
    from {{ ref('stg_product_prices') }}
    where is_change
    group by product_id
),

ranked_levels as (
    select
        product_id,
        warehouse,
        stock_level,
        row_number() over (partition by product_id, warehouse order by changed_at desc, event_id desc) as recency
    from {{ ref('stg_stock_changes') }}
),

stock as (
    select
        product_id,
        sum(stock_level) as stock_level
    from ranked_levels
    where recency <= 1
    group by product_id
),

-- Whatever was priced, stocked, sold or refunded is a product, even when its own event is late or dead.
products as (
    select product_id from descriptions
    union
    select product_id from prices
    union
    select product_id from stock
    union
    select product_id from {{ ref('fct_order_lines') }}
    union
    select product_id from {{ ref('stg_refund_lines') }}
)

select
    products.product_id,
    creations.sku,
    descriptions.product_name as name,
    coalesce(descriptions.category, 'unknown') as category,
    coalesce(descriptions.subcategory, 'unknown') as subcategory,
    descriptions.brand,
    prices.price,
    prices.unit_cost as cost,
    prices.currency,
    coalesce(descriptions.is_active, false) as is_active,
    creations.product_id is null as is_inferred,
    creations.created_at,
    price_changes.price_changed_at,
    cast(coalesce(stock.stock_level, 0) as bigint) as stock_level,
    told_differently.product_id is not null as has_contradicting_events
from products
left join descriptions on products.product_id = descriptions.product_id
left join creations on products.product_id = creations.product_id
left join prices on products.product_id = prices.product_id
left join price_changes on products.product_id = price_changes.product_id
left join told_differently on products.product_id = told_differently.product_id
left join stock on products.product_id = stock.product_id
