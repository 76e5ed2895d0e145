{{
    config(
        severity='warn',
        store_failures=true,
        limit=1000,
        meta={'dagster': {'ref': {'name': 'fct_orders'}}},
    )
}}

-- Rates are code: an order keeps the rate it was built with. These would be built with another one today: the list was
-- changed without `--full-refresh --select int_exchange_rates+`.
with

rates as (
    {{ exchange_rates_on('(select currency, order_date as date_day from ' ~ ref('fct_orders') ~ ')') }}
)

select
    orders.order_id,
    orders.currency,
    orders.order_date,
    orders.exchange_rate,
    rates.rate_to_base
from {{ ref('fct_orders') }} as orders
left join rates on orders.currency = rates.currency and orders.order_date = rates.date_day
where coalesce(orders.exchange_rate, 0) <> coalesce(rates.rate_to_base, 0)
