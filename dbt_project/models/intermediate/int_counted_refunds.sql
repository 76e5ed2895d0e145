select
    refunds.refund_id,
    refunds.order_id,
    refunds.refund_date,
    refunds.currency,
    orders.channel,
    refunds.amount,
    refunds.tax_amount
from {{ ref('fct_refunds') }} as refunds
inner join {{ ref('fct_orders') }} as orders on refunds.order_id = orders.order_id
where not orders.is_cancelled
