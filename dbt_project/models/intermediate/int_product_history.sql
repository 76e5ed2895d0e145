with

numbered as (
    select
        product_id,
        described_at,
        product_name,
        category,
        subcategory,
        brand,
        is_active,
        row_number() over (partition by product_id order by described_at, event_id) as version_number,
        lead(described_at) over (partition by product_id order by described_at, event_id) as next_described_at
    from {{ ref('stg_product_descriptions') }}
)

select
    product_id,
    version_number,
    -- The first description also holds for what happened before it: an order may overtake its product's creation.
    case when version_number > 1 then described_at end as valid_from,
    next_described_at as valid_to,
    product_name,
    category,
    subcategory,
    brand,
    is_active
from numbered
