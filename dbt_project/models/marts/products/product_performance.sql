{{
    config(
        indexes=[
            {'columns': ['date_day']},
            {'columns': ['product_id']},
        ],
    )
}}

with

-- Once per order first: counting distinct orders would sort every line of the shop.
sold as (
    select
        order_id,
        order_date,
        currency,
        product_id,
        category,
        {{ summed_lines() }}
    from {{ ref('fct_order_lines') }}
    where not is_cancelled
    group by order_id, order_date, currency, product_id, category
),

movements as (
    select
        order_date as date_day,
        currency,
        product_id,
        category,
        1 as orders_count,
        units,
        0 as refunded_units,
        gross_amount,
        discount_amount,
        tax_amount,
        costed_revenue_amount,
        cost_amount,
        0 as refund_amount
    from sold
    union all
    select
        refund_date as date_day,
        currency,
        product_id,
        category,
        0 as orders_count,
        0 as units,
        quantity as refunded_units,
        0 as gross_amount,
        0 as discount_amount,
        0 as tax_amount,
        0 as costed_revenue_amount,
        0 as cost_amount,
        amount as refund_amount
    from {{ ref('int_counted_refund_lines') }}
),

totals as (
    select
        date_day,
        currency,
        product_id,
        category,
        sum(orders_count) as orders_count,
        sum(units) as units,
        sum(refunded_units) as refunded_units,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(tax_amount) as tax_amount,
        sum(costed_revenue_amount) as costed_revenue_amount,
        sum(cost_amount) as cost_amount,
        sum(refund_amount) as refund_amount
    from movements
    group by date_day, currency, product_id, category
)

select
    {{ surrogate_key(['totals.date_day', 'totals.currency', 'totals.product_id', 'totals.category']) }}
        as product_performance_id,
    totals.date_day,
    totals.currency,
    totals.product_id,
    totals.category,
    totals.orders_count,
    cast(totals.units as bigint) as units,
    cast(totals.refunded_units as bigint) as refunded_units,
    {{ money('totals.gross_amount') }} as gross_amount,
    {{ money('totals.discount_amount') }} as discount_amount,
    {{ money('totals.refund_amount') }} as refund_amount,
    {{ money('totals.gross_amount - totals.discount_amount - totals.refund_amount') }} as net_amount,
    {{ money('totals.tax_amount') }} as tax_amount,
    {{ margins('totals') }}
from totals
