{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[
            {'columns': ['date_day']},
        ],
        pre_hook=[
            "{{ open_changed_days({'fct_order_lines': 'order_date', 'fct_refund_lines': 'refund_date', 'fct_orders': 'order_date', 'fct_refunds': 'refund_date'}) }}",
            "{{ clear_changed_days() }}",
        ],
        tags=['hot'],
    )
}}

with

sold_lines as (
    select
        order_date as date_day,
        currency,
        category,
        {{ summed_lines() }}
    from {{ ref('fct_order_lines') }}
    where not is_cancelled and {{ in_changed_days('order_date') }}
    group by order_date, currency, category
),

refunded_lines as (
    select
        refund_date as date_day,
        currency,
        category,
        sum(amount) as refund_amount
    from {{ ref('int_counted_refund_lines') }}
    where {{ in_changed_days('refund_date') }}
    group by refund_date, currency, category
),

-- What orders and refunds tell beyond their lines (a refund of the shipping, a header that contradicts its lines) is in
-- no category of the shop. It has one of its own, so that categories add up to the day whatever was told.
sold as (
    select
        order_date as date_day,
        currency,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(tax_amount) as tax_amount
    from {{ ref('fct_orders') }}
    where not is_cancelled and {{ in_changed_days('order_date') }}
    group by order_date, currency
),

sold_in_lines as (
    select
        date_day,
        currency,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(tax_amount) as tax_amount
    from sold_lines
    group by date_day, currency
),

sold_beyond_lines as (
    select
        sold.date_day,
        sold.currency,
        sold.gross_amount - coalesce(sold_in_lines.gross_amount, 0) as gross_amount,
        sold.discount_amount - coalesce(sold_in_lines.discount_amount, 0) as discount_amount,
        sold.tax_amount - coalesce(sold_in_lines.tax_amount, 0) as tax_amount
    from sold
    left join sold_in_lines on sold.date_day = sold_in_lines.date_day and sold.currency = sold_in_lines.currency
),

refunded as (
    select
        refund_date as date_day,
        currency,
        sum(amount) as refund_amount
    from {{ ref('int_counted_refunds') }}
    where {{ in_changed_days('refund_date') }}
    group by refund_date, currency
),

refunded_in_lines as (
    select
        date_day,
        currency,
        sum(refund_amount) as refund_amount
    from refunded_lines
    group by date_day, currency
),

refunded_beyond_lines as (
    select
        refunded.date_day,
        refunded.currency,
        refunded.refund_amount - coalesce(refunded_in_lines.refund_amount, 0) as refund_amount
    from refunded
    left join refunded_in_lines
        on refunded.date_day = refunded_in_lines.date_day and refunded.currency = refunded_in_lines.currency
),

-- A sum again, in case that a category of the shop has that name.
lines as (
    select
        date_day,
        currency,
        category,
        sum(units) as units,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(tax_amount) as tax_amount,
        sum(costed_revenue_amount) as costed_revenue_amount,
        sum(cost_amount) as cost_amount
    from (
        select
            date_day,
            currency,
            category,
            units,
            gross_amount,
            discount_amount,
            tax_amount,
            costed_revenue_amount,
            cost_amount
        from sold_lines
        union all
        select
            date_day,
            currency,
            '{{ unallocated() }}' as category,
            0 as units,
            gross_amount,
            discount_amount,
            tax_amount,
            0 as costed_revenue_amount,
            0 as cost_amount
        from sold_beyond_lines
        where gross_amount <> 0 or discount_amount <> 0 or tax_amount <> 0
    ) as parts
    group by date_day, currency, category
),

refunds as (
    select
        date_day,
        currency,
        category,
        sum(refund_amount) as refund_amount
    from (
        select
            date_day,
            currency,
            category,
            refund_amount
        from refunded_lines
        union all
        select
            date_day,
            currency,
            '{{ unallocated() }}' as category,
            refund_amount
        from refunded_beyond_lines
        where refund_amount <> 0
    ) as parts
    group by date_day, currency, category
),

days as (
    select
        date_day,
        currency,
        category
    from lines
    union
    select
        date_day,
        currency,
        category
    from refunds
)

select
    {{ surrogate_key(['days.date_day', 'days.currency', 'days.category']) }} as kpi_daily_by_category_id,
    days.date_day,
    days.currency,
    days.category,
    cast(coalesce(lines.units, 0) as bigint) as units,
    {{ money('coalesce(lines.gross_amount, 0)') }} as gross_amount,
    {{ money('coalesce(lines.discount_amount, 0)') }} as discount_amount,
    {{ money('coalesce(refunds.refund_amount, 0)') }} as refund_amount,
    {{
        money('coalesce(lines.gross_amount, 0) - coalesce(lines.discount_amount, 0)'
            ~ ' - coalesce(refunds.refund_amount, 0)')
    }} as net_amount,
    {{ money('coalesce(lines.tax_amount, 0)') }} as tax_amount,
    {{ margins('lines') }}
from days
left join lines
    on days.date_day = lines.date_day and days.currency = lines.currency and days.category = lines.category
left join refunds
    on days.date_day = refunds.date_day and days.currency = refunds.currency and days.category = refunds.category
