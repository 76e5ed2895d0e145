with

products as (
    select
        order_id,
        product_id
    from {{ ref('fct_order_lines') }}
    where not is_cancelled
    group by order_id, product_id
),

sized as (
    select
        *,
        count(*) over (partition by order_id) as products_count
    from products
)

-- An order for everything there is says nothing about what goes together, and a thousand products are half a million
-- pairs.
select
    order_id,
    product_id,
    products_count
from sized
where products_count <= {{ var('basket_maximum_products', 50) }}
