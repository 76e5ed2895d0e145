{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_id']},
            {'columns': ['product_id']},
            {'columns': ['refund_date']},
        ],
        tags=['hot'],
        meta={'day_column': 'refund_date'},
    )
}}

-- Named here because dbt does not look into a conditional block for what a model reads.
-- depends_on: {{ ref('stg_product_descriptions') }}
with

{% if is_incremental() %}
described as (
    {{ restated_since(ref('stg_product_descriptions'), 'product_id', 'described_at') }}
),

touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_refunds'), 'order_id') }}
    union
    -- The line's category follows a description that lands late.
    select sold.order_id
    from {{ rows_of_keys_since(ref('fct_order_lines'), 'product_id', 'described', 'ordered_at') }} as sold
),
{% endif %}

tellings as (
    select
        order_id,
        {{ as_placed('placed_at') }} as placed_at,
        currency,
        shipping_amount,
        {{ telling_of_order() }} as telling
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

placed as (
    select
        order_id,
        currency,
        shipping_amount,
        {{ day_in_tz('placed_at') }} as order_date
    from tellings
    where telling <= 1
),

cancelled as (
    select distinct order_id from {{ rows_to_build(ref('stg_order_progress'), 'order_id') }} as events
    where step = 'cancelled'
),

refunds as (
    select
        *,
        row_number() over (partition by order_id, refund_id order by issued_at, event_id) as telling
    from {{ rows_to_build(ref('stg_refunds'), 'order_id') }} as events
),

lines as (
    select * from {{ rows_to_build(ref('stg_refund_lines'), 'order_id') }} as events
),

-- What the order sold by line number and product. A shop that repeats a line number must not double the refund.
sales as (
    select
        order_id,
        line_number,
        product_id,
        min(order_line_id) as order_line_id,
        min(category) as category,
        sum(quantity) as units,
        sum(net_amount) as net_amount
    from {{ rows_to_build(ref('fct_order_lines'), 'order_id') }} as events
    group by order_id, line_number, product_id
),

products_sold as (
    select
        order_id,
        product_id,
        min(line_number) as line_number,
        sum(units) as units,
        sum(net_amount) as net_amount
    from sales
    group by order_id, product_id
),

-- Of a shop that does not tell it apart, the shipping that goes back is part of a line.
shipping_told as (
    select
        order_id,
        sum(shipping_amount) as shipping_amount
    from refunds
    where telling <= 1
    group by order_id
),

standing as (
    select
        lines.*,
        refunds.currency,
        refunds.reason,
        placed.currency as order_currency,
        placed.order_date,
        case when coalesce(shipping_told.shipping_amount, 0) = 0 then coalesce(placed.shipping_amount, 0) else 0 end
            as shipping_in_lines
    from lines
    inner join refunds on lines.event_id = refunds.event_id
    inner join placed on lines.order_id = placed.order_id
    left join shipping_told on lines.order_id = shipping_told.order_id
    where refunds.telling <= 1
),

days_of_rates as (
    {{ days_to_convert('standing') }}
),

rates as (
    {{ exchange_rates_on('days_of_rates') }}
),

in_order_currency as (
    select
        standing.*,
        {{
            money(converted('standing.amount', 'standing.currency', 'standing.order_currency', 'rates.rate_to_base',
                'order_rates.rate_to_base'))
        }} as amount_in_order_currency,
        {{
            rounding_of_converted('standing.currency', 'standing.order_currency', 'rates.rate_to_base',
                'order_rates.rate_to_base')
        }} as rounding
    from standing
    left join rates on standing.currency = rates.currency and standing.order_date = rates.date_day
    left join rates as order_rates
        on standing.order_currency = order_rates.currency and standing.order_date = order_rates.date_day
),

-- What all refunds of the order give back of the line, and of the product in whatever line.
with_sums as (
    select
        *,
        sum(quantity) over (partition by order_id, product_id, line_number) as units_of_line,
        sum(amount_in_order_currency - rounding) over (partition by order_id, product_id, line_number)
            as amount_of_line,
        sum(quantity) over (partition by order_id, product_id) as units_of_product,
        sum(amount_in_order_currency - rounding) over (partition by order_id, product_id) as amount_of_product
    from in_order_currency
)

select
    {{ surrogate_key(['with_sums.order_id', 'with_sums.refund_id', 'with_sums.line_position']) }} as refund_line_id,
    {{ surrogate_key(['with_sums.order_id', 'with_sums.refund_id']) }} as order_refund_id,
    with_sums.refund_id,
    with_sums.order_id,
    with_sums.line_position,
    with_sums.line_number,
    -- The product decides, and the number only between several lines of it.
    coalesce(named.order_line_id, others.order_line_id) as order_line_id,
    with_sums.product_id,
    coalesce(named.category, others.category, 'unknown') as category,
    with_sums.issued_at as refunded_at,
    {{ day_in_tz('with_sums.issued_at') }} as refund_date,
    with_sums.order_date,
    with_sums.quantity,
    with_sums.amount,
    with_sums.currency,
    with_sums.reason,
    cancelled.order_id is not null as is_order_cancelled,
    with_sums.order_currency,
    with_sums.amount_in_order_currency,
    products_sold.order_id is not null as is_of_sold_product,
    named.order_id is not null as is_of_named_line,
    -- A product that was never sold is not judged here: is_of_sold_product says so.
    coalesce(
        with_sums.units_of_product > products_sold.units
        or with_sums.units_of_line > named.units
        or coalesce(with_sums.amount_of_product, 0) > products_sold.net_amount + with_sums.shipping_in_lines
        or coalesce(with_sums.amount_of_line, 0) > named.net_amount + with_sums.shipping_in_lines,
        false
    ) as has_excess_refunds
from with_sums
left join cancelled on with_sums.order_id = cancelled.order_id
left join sales as named
    on
        with_sums.order_id = named.order_id
        and with_sums.line_number = named.line_number
        and with_sums.product_id = named.product_id
left join products_sold
    on with_sums.order_id = products_sold.order_id and with_sums.product_id = products_sold.product_id
left join sales as others
    on
        products_sold.order_id = others.order_id
        and products_sold.line_number = others.line_number
        and products_sold.product_id = others.product_id
