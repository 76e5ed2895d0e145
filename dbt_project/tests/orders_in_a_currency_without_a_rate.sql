{{
    config(
        severity='warn',
        store_failures=true,
        limit=1000,
        meta={'dagster': {'ref': {'name': 'fct_orders'}}},
    )
}}

-- Their amounts are missing from every sum in the base currency until the list of rates knows the currency.
select
    currency,
    count(*) as orders_count,
    min(order_date) as first_order_date
from {{ ref('fct_orders') }}
where exchange_rate is null
group by currency
