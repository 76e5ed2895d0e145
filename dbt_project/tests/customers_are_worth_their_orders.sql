{{ config(meta={'dagster': {'ref': {'name': 'dim_customers'}}}) }}

-- The lifetime values are the sums of the orders that count in the customer's currency, unknown when one of them is.
with

orders as (
    select
        customer_id,
        {{ whole_sum('gross_amount') }} as gross_amount,
        {{ whole_sum('net_amount - refunded_amount') }} as net_amount
    from {{ ref('int_orders_in_customer_currency') }}
    group by customer_id
)

select
    customers.customer_id,
    customers.ltv_gross_amount,
    customers.ltv_net_amount,
    orders.gross_amount as orders_gross_amount,
    orders.net_amount as orders_net_amount
from {{ ref('dim_customers') }} as customers
left join orders on customers.customer_id = orders.customer_id
where
    {{
        differ('customers.ltv_gross_amount',
            'case when orders.customer_id is null then 0 else orders.gross_amount end')
    }}
    or {{
        differ('customers.ltv_net_amount',
            'case when orders.customer_id is null then 0 else orders.net_amount end')
    }}
