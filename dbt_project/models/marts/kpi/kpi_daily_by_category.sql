{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        indexes=[
            {'columns': ['date_day']},
        ],
        pre_hook=[
            "{{ open_changed_days({'fct_order_lines': 'order_date', 'fct_refund_lines': 'refund_date'}) }}",
            "{{ clear_changed_days() }}",
        ],
        tags=['hot'],
    )
}}

with

lines as (
    select
        order_date as date_day,
        currency,
        category,
        {{ summed_lines() }}
    from {{ ref('fct_order_lines') }}
    where not is_cancelled and {{ in_changed_days('order_date') }}
    group by order_date, currency, category
),

refunds as (
    select
        refund_date as date_day,
        currency,
        category,
        sum(amount) as refund_amount
    from {{ ref('int_counted_refund_lines') }}
    where {{ in_changed_days('refund_date') }}
    group by refund_date, currency, category
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
