with

numbered as (
    select
        product_id,
        priced_at,
        price,
        unit_cost,
        currency,
        row_number() over (partition by product_id order by priced_at, event_id) as version_number,
        lead(priced_at) over (partition by product_id order by priced_at, event_id) as next_priced_at
    from {{ ref('stg_product_prices') }}
)

select
    product_id,
    version_number,
    -- As for descriptions: an order may overtake its product's creation.
    case when version_number > 1 then priced_at end as valid_from,
    next_priced_at as valid_to,
    price,
    unit_cost,
    currency
from numbered
