{{
    config(
        severity='warn',
        store_failures=true,
        limit=1000,
        meta={'dagster': {'ref': {'name': 'dim_customers'}}},
    )
}}

-- The lifetime sums of dim_customers are converted for these customers, at the rates of each order's day.
select
    customers.customer_id,
    count(distinct orders.currency) as currencies
from {{ ref('dim_customers') }} as customers
inner join {{ ref('fct_orders') }} as orders on customers.customer_id = orders.customer_id
group by customers.customer_id
having count(distinct orders.currency) > 1
