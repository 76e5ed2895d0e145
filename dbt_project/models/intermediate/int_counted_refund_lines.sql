select
    refund_id,
    line_position,
    order_id,
    product_id,
    refund_date,
    currency,
    category,
    quantity,
    amount
from {{ ref('fct_refund_lines') }}
where not is_order_cancelled and is_of_sold_product
