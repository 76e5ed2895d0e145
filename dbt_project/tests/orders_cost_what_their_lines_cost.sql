{{ config(meta={'dagster': {'ref': {'name': 'fct_orders'}}}) }}

-- The order's cost is the sum of its lines' when every line's is known, else unknown. Its margin differs from theirs by
-- as much as its net from theirs: its header may contradict its lines.
with

lines as (
    select
        order_id,
        count(*) as lines_count,
        count(cost_amount) as costed_lines_count,
        sum(cost_amount) as cost_amount,
        sum(net_amount) as net_amount,
        sum(margin_amount) as margin_amount
    from {{ ref('fct_order_lines') }}
    group by order_id
)

select
    orders.order_id,
    orders.cost_amount,
    orders.margin_amount,
    orders.has_complete_cost,
    lines.lines_count,
    lines.costed_lines_count,
    lines.cost_amount as lines_cost_amount,
    lines.margin_amount as lines_margin_amount
from {{ ref('fct_orders') }} as orders
left join lines on orders.order_id = lines.order_id
where
    orders.has_complete_cost <> (coalesce(lines.costed_lines_count, 0) = lines.lines_count)
    or (
        orders.has_complete_cost
        and (
            orders.cost_amount <> lines.cost_amount
            or orders.net_amount - orders.margin_amount <> lines.net_amount - lines.margin_amount
        )
    )
