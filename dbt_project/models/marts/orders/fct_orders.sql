{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_date']},
            {'columns': ['customer_id']},
            {'columns': ['session_id']},
        ],
        tags=['hot'],
        meta={'day_column': 'order_date'},
    )
}}

-- Named here because dbt does not look into a conditional block for what a model reads.
-- depends_on: {{ ref('stg_product_prices') }}
with

{% if is_incremental() %}
priced as (
    {{ restated_since(ref('stg_product_prices'), 'product_id', 'priced_at') }}
),

touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_payments'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_refunds'), 'order_id') }}
    union
    {{ orders_with_erased_coupons() }}
    union
    -- A price that lands late changes the cost of what was sold under it.
    select sold.order_id
    from {{ rows_of_keys_since(ref('fct_order_lines'), 'product_id', 'priced', 'ordered_at') }} as sold
),
{% endif %}

placed as (
    select
        *,
        {{ as_placed('placed_at') }} as ordered_at,
        {{ day_in_tz(as_placed('placed_at')) }} as order_date,
        {{ as_placed('session_id') }} as placed_in_session,
        {{ as_placed('coupon') }} as typed_coupon,
        {{ telling_of_order() }} as telling,
        count(*) over (partition by order_id, amended_at) as tellings
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

line_events as (
    select * from {{ rows_to_build(ref('stg_order_lines'), 'order_id') }} as events
),

lines as (
    select
        event_id,
        count(*) as lines_count,
        sum(quantity) as units,
        sum(quantity * unit_price) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(tax_amount) as tax_amount
    from line_events
    group by event_id
),

-- Orders of which several events tell alike: placings, or amendments of one moment. Most shops have none. That an
-- amendment says something else than the placing is what it is for.
repeated as (
    select *
    from placed
    where tellings > 1
),

lines_told as (
    select
        line_events.event_id,
        {{
            content_of_lines(['line_number', 'line_events.product_id', 'line_events.quantity'],
                ['line_events.unit_price', 'line_events.discount_amount', 'line_events.tax_amount'])
        }} as content
    from line_events
    inner join repeated on line_events.event_id = repeated.event_id
    group by line_events.event_id
),

with_lines as (
    select
        repeated.*,
        lines_told.content
    from repeated
    left join lines_told on repeated.event_id = lines_told.event_id
),

progress_events as (
    select
        *,
        count(*) over (partition by order_id, step, shipment_id) as tellings
    from {{ rows_to_build(ref('stg_order_progress'), 'order_id') }} as events
),

told_differently as (
    select order_id
    from (
        {{
            told_differently('with_lines', ['order_id', 'amended_at'],
                ['customer_id', 'session_id', 'channel', 'campaign', 'coupon', 'device', 'country', 'currency',
                    'gross_amount', 'discount_amount', 'shipping_amount', 'tax_amount', 'total_amount', 'content'])
        }}
    ) as moments
    union
    select order_id
    from (
        {{ told_differently('progress_events', ['order_id', 'step', 'shipment_id'], ['carrier', 'promised_on']) }}
    ) as parcels
    union
    -- An amendment says when the order was placed; no placing of it says the same.
    select amendments.order_id
    from placed as amendments
    inner join placed as placings
        on amendments.order_id = placings.order_id and placings.amended_at is null
    where amendments.amended_at is not null
    group by amendments.order_id, amendments.event_id
    having count(case when placings.placed_at = amendments.placed_at then 1 end) = 0
),

orders as (
    select
        order_id,
        currency as order_currency,
        order_date
    from placed
    where telling <= 1
),

attempts as (
    select
        *,
        row_number() over (partition by order_id, payment_id order by attempted_at desc, event_id desc) as recency
    from {{ rows_to_build(ref('stg_payments'), 'order_id') }} as events
),

refund_tellings as (
    select
        *,
        row_number() over (partition by order_id, refund_id order by issued_at, event_id) as telling
    from {{ rows_to_build(ref('stg_refunds'), 'order_id') }} as events
),

-- What was told to have been paid and given back, with the currency of the order.
told as (
    select
        orders.order_id,
        'payment' as kind,
        attempts.status,
        attempts.attempted_at,
        attempts.amount,
        attempts.amount as total_amount,
        0 as tax_amount,
        0 as shipping_amount,
        attempts.currency,
        orders.order_currency,
        orders.order_date
    from attempts
    inner join orders on attempts.order_id = orders.order_id
    where attempts.recency <= 1
    union all
    select
        orders.order_id,
        'refund' as kind,
        'succeeded' as status,
        refund_tellings.issued_at as attempted_at,
        refund_tellings.amount,
        refund_tellings.amount + refund_tellings.tax_amount + coalesce(refund_tellings.shipping_amount, 0)
            as total_amount,
        refund_tellings.tax_amount,
        coalesce(refund_tellings.shipping_amount, 0) as shipping_amount,
        refund_tellings.currency,
        orders.order_currency,
        orders.order_date
    from refund_tellings
    inner join orders on refund_tellings.order_id = orders.order_id
    where refund_tellings.telling <= 1
),

days_of_rates as (
    select
        order_currency as currency,
        order_date as date_day
    from orders
    union
    {{ days_to_convert('told') }}
),

rates as (
    {{ exchange_rates_on('days_of_rates') }}
),

in_order_currency as (
    select
        told.order_id,
        told.kind,
        told.status,
        told.attempted_at,
        {{
            converted('told.amount', 'told.currency', 'told.order_currency', 'told_rates.rate_to_base',
                'order_rates.rate_to_base')
        }} as amount,
        {{
            converted('told.total_amount', 'told.currency', 'told.order_currency', 'told_rates.rate_to_base',
                'order_rates.rate_to_base')
        }} as total_amount,
        {{
            converted('told.tax_amount', 'told.currency', 'told.order_currency', 'told_rates.rate_to_base',
                'order_rates.rate_to_base')
        }} as tax_amount,
        {{
            converted('told.shipping_amount', 'told.currency', 'told.order_currency', 'told_rates.rate_to_base',
                'order_rates.rate_to_base')
        }} as shipping_amount,
        {{
            rounding_of_converted('told.currency', 'told.order_currency', 'told_rates.rate_to_base',
                'order_rates.rate_to_base')
        }} as rounding
    from told
    left join rates as told_rates on told.currency = told_rates.currency and told.order_date = told_rates.date_day
    left join rates as order_rates
        on told.order_currency = order_rates.currency and told.order_date = order_rates.date_day
),

-- An amount that could not be converted is in no sum; `unconverted_count` says so.
payments as (
    select
        order_id,
        min(case when status = 'succeeded' then attempted_at end) as paid_at,
        sum(case when status = 'succeeded' then amount end) as known_amount,
        sum(case when status = 'succeeded' then rounding end) as rounding,
        sum(case when status = 'succeeded' and amount is null then 1 else 0 end) as unconverted_count
    from in_order_currency
    where kind = 'payment'
    group by order_id
),

refunds as (
    select
        order_id,
        sum(amount) as known_amount,
        sum(total_amount) as known_total_amount,
        sum(tax_amount) as known_tax_amount,
        sum(shipping_amount) as known_shipping_amount,
        sum(rounding) as rounding,
        sum(case when amount is null then 1 else 0 end) as unconverted_count
    from in_order_currency
    where kind = 'refund'
    group by order_id
),

progress as (
    select
        order_id,
        min(case when step = 'shipped' then occurred_at end) as shipped_at,
        min(promised_on) as promised_on,
        min(case when step = 'delivered' then occurred_at end) as delivered_at,
        min(case when step = 'cancelled' then occurred_at end) as cancelled_at
    from progress_events
    group by order_id
),

-- The cost of a part of the order would make its margin look better than it is: all or nothing. For sums over orders,
-- the lines whose cost is known stand beside it with what they brought in.
costs as (
    select
        order_id,
        {{ whole_sum('cost_amount') }} as cost_amount,
        sum(cost_amount) as known_cost_amount,
        sum(case when cost_amount is not null then net_amount end) as costed_revenue_amount
    from {{ rows_to_build(ref('fct_order_lines'), 'order_id') }} as lines
    group by order_id
)

select
    placed.order_id,
    placed.customer_id,
    placed.placed_in_session as session_id,
    placed.ordered_at,
    placed.order_date,
    placed.channel,
    placed.campaign,
    placed.typed_coupon as coupon,
    placed.device,
    placed.country,
    placed.currency,
    case
        when progress.cancelled_at is not null then 'cancelled'
        when progress.delivered_at is not null then 'delivered'
        when progress.shipped_at is not null then 'shipped'
        when payments.paid_at is not null then 'paid'
        when payments.order_id is not null then 'payment_failed'
        else 'placed'
    end as status,
    cast(coalesce(lines.lines_count, 0) as integer) as lines_count,
    cast(coalesce(lines.units, 0) as bigint) as units,
    placed.gross_amount,
    placed.discount_amount,
    {{ money('placed.gross_amount - placed.discount_amount') }} as net_amount,
    placed.shipping_amount,
    placed.tax_amount,
    placed.total_amount,
    -- Unknown when a part of it is in another currency that cannot be converted.
    {{
        money('case when coalesce(payments.unconverted_count, 0) = 0 then coalesce(payments.known_amount, 0) end')
    }} as paid_amount,
    {{
        money('case when coalesce(refunds.unconverted_count, 0) = 0 then coalesce(refunds.known_amount, 0) end')
    }} as refunded_amount,
    progress.cancelled_at is not null as is_cancelled,
    placed.ordered_at as placed_at,
    payments.paid_at,
    progress.shipped_at,
    progress.promised_on,
    progress.delivered_at,
    progress.cancelled_at,
    {{ day_in_tz('progress.delivered_at') }} > progress.promised_on as is_delivered_late,
    (
        (progress.cancelled_at is not null and progress.shipped_at is not null)
        or (progress.shipped_at is not null and payments.paid_at is null)
        or (progress.delivered_at is not null and progress.shipped_at is null)
    ) as has_irregular_history,
    {{ money('costs.cost_amount') }} as cost_amount,
    {{ money('placed.gross_amount - placed.discount_amount - costs.cost_amount') }} as margin_amount,
    costs.cost_amount is not null as has_complete_cost,
    {{ money('coalesce(costs.costed_revenue_amount, 0)') }} as costed_revenue_amount,
    {{ money('coalesce(costs.known_cost_amount, 0)') }} as known_cost_amount,
    rates.rate_to_base as exchange_rate,
    {{
        money(rounded_in_base('(placed.gross_amount - placed.discount_amount) * rates.rate_to_base'))
    }} as net_amount_base,
    {{ money(rounded_in_base('placed.total_amount * rates.rate_to_base')) }} as total_amount_base,
    {{ money('coalesce(payments.known_amount, 0)') }} as known_paid_amount,
    {{ money('coalesce(refunds.known_amount, 0)') }} as known_refunded_amount,
    coalesce(payments.unconverted_count, 0) + coalesce(refunds.unconverted_count, 0) > 0 as has_unconverted_amounts,
    (
        placed.gross_amount <> coalesce(lines.gross_amount, 0)
        or placed.discount_amount <> coalesce(lines.discount_amount, 0)
        or placed.tax_amount <> coalesce(lines.tax_amount, 0)
        or placed.total_amount
        <> placed.gross_amount - placed.discount_amount + placed.shipping_amount + placed.tax_amount
        or placed.discount_amount > placed.gross_amount
    ) as has_contradicting_amounts,
    -- What cannot be converted is left out: what is known may be too much already. What was converted may be too much
    -- by what the roundings can make.
    (
        coalesce(refunds.known_total_amount - refunds.rounding, 0) > placed.total_amount
        or coalesce(refunds.known_amount - refunds.rounding, 0)
        > placed.gross_amount - placed.discount_amount + placed.shipping_amount
        or coalesce(refunds.known_tax_amount - refunds.rounding, 0) > placed.tax_amount
        or coalesce(refunds.known_shipping_amount - refunds.rounding, 0) > placed.shipping_amount
        or (
            coalesce(payments.unconverted_count, 0) = 0
            and coalesce(refunds.known_total_amount - refunds.rounding, 0)
            > coalesce(payments.known_amount + payments.rounding, 0)
        )
    ) as has_excess_refunds,
    told_differently.order_id is not null as has_contradicting_events,
    coalesce(payments.known_amount - payments.rounding, 0) > placed.total_amount as has_excess_payments,
    coalesce(payments.rounding, 0) + coalesce(refunds.rounding, 0) as conversion_rounding_amount
from placed
left join lines on placed.event_id = lines.event_id
left join payments on placed.order_id = payments.order_id
left join progress on placed.order_id = progress.order_id
left join refunds on placed.order_id = refunds.order_id
left join costs on placed.order_id = costs.order_id
left join told_differently on placed.order_id = told_differently.order_id
left join rates on placed.currency = rates.currency and placed.order_date = rates.date_day
where placed.telling <= 1
