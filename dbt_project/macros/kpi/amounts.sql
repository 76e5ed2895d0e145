{#- The money of the roll-ups, said once for all of them. -#}

{#- What is summed over orders that count. A cost that is not known is in no sum, and neither is the revenue beside it:
    `costed_revenue_amount` is what the margin is the margin of. -#}
{% macro summed_orders() -%}
        count(*) as orders_count,
        sum(units) as units,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(shipping_amount) as shipping_amount,
        sum(tax_amount) as tax_amount,
        sum(total_amount) as total_amount,
        {{ whole_sum('paid_amount') }} as paid_amount,
        sum(known_paid_amount) as known_paid_amount,
        sum(case when paid_amount is null then 1 else 0 end) as orders_with_unknown_payment,
        sum(costed_revenue_amount) as costed_revenue_amount,
        sum(known_cost_amount) as cost_amount,
        {{ whole_sum('net_amount_base') }} as revenue_amount_base,
        {{ whole_sum('total_amount_base') }} as total_amount_base,
        {{
            whole_sum(money(rounded_in_base('(costed_revenue_amount - known_cost_amount) * exchange_rate')))
        }} as margin_amount_base
{%- endmacro %}


{#- The same over order lines; shipping and totals are the order's. -#}
{% macro summed_lines() -%}
        sum(quantity) as units,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(tax_amount) as tax_amount,
        sum(case when cost_amount is not null then net_amount end) as costed_revenue_amount,
        sum(cost_amount) as cost_amount
{%- endmacro %}


{#- What is summed over refunds that count. -#}
{% macro summed_refunds() -%}
        sum(amount) as refund_amount,
        sum(tax_amount) as refund_tax_amount,
        sum(shipping_amount) as refund_shipping_amount,
        {{ whole_sum('amount_base') }} as refund_amount_base
{%- endmacro %}


{#- A sum that is unknown as soon as one part is: an amount in a currency without a rate is not nothing. -#}
{% macro whole_sum(expression) -%}
    case when count({{ expression }}) = count(*) then sum({{ expression }}) end
{%- endmacro %}


{#- The columns of money, from CTEs `orders` and `refunds`, either of which may have no row for the day. -#}
{% macro amounts_of_orders_and_refunds() -%}
    {{ money('coalesce(orders.gross_amount, 0)') }} as gross_amount,
    {{ money('coalesce(orders.discount_amount, 0)') }} as discount_amount,
    {{ money('coalesce(refunds.refund_amount, 0)') }} as refund_amount,
    {{
        money('coalesce(orders.gross_amount, 0) - coalesce(orders.discount_amount, 0)'
            ~ ' - coalesce(refunds.refund_amount, 0)')
    }} as net_amount,
    {{ money('coalesce(orders.shipping_amount, 0)') }} as shipping_amount,
    {{ money('coalesce(orders.tax_amount, 0)') }} as tax_amount,
    {{ money('coalesce(orders.total_amount, 0)') }} as total_amount,
    {{ margins('orders') }},
    {{ money(known_or_none('refunds', 'refund_amount_base')) }} as refund_amount_base,
    {{
        money(known_or_none('orders', 'revenue_amount_base') ~ ' - ' ~ known_or_none('refunds', 'refund_amount_base'))
    }} as net_amount_base,
    {{ money(known_or_none('orders', 'total_amount_base')) }} as total_amount_base,
    {{ money(known_or_none('orders', 'margin_amount_base')) }} as margin_amount_base,
    {{ money(known_or_none('orders', 'paid_amount')) }} as paid_amount,
    {{ money('coalesce(orders.total_amount, 0) - ' ~ known_or_none('orders', 'paid_amount')) }} as unpaid_amount,
    {{ money('coalesce(refunds.refund_tax_amount, 0)') }} as refund_tax_amount,
    {{ money('coalesce(refunds.refund_shipping_amount, 0)') }} as refund_shipping_amount,
    {{
        money('coalesce(refunds.refund_amount, 0) + coalesce(refunds.refund_tax_amount, 0)'
            ~ ' + coalesce(refunds.refund_shipping_amount, 0)')
    }} as refund_total_amount,
    {{ money('coalesce(orders.known_paid_amount, 0)') }} as known_paid_amount,
    coalesce(orders.orders_with_unknown_payment, 0) as orders_with_unknown_payment
{%- endmacro %}


{#- What was earned on the sales of CTE `sales`, and on how much of them that can be said. -#}
{% macro margins(sales) -%}
    {%- set revenue = 'coalesce(' ~ sales ~ '.costed_revenue_amount, 0)' -%}
    {%- set cost = 'coalesce(' ~ sales ~ '.cost_amount, 0)' -%}
    {{ money(revenue) }} as costed_revenue_amount,
    {{ money(cost) }} as cost_amount,
    {{ money(revenue ~ ' - ' ~ cost) }} as margin_amount,
    {{ ratio('(' ~ revenue ~ ' - ' ~ cost ~ ')', revenue) }} as margin_rate,
    {{ ratio(revenue, '(' ~ sales ~ '.gross_amount - ' ~ sales ~ '.discount_amount)') }} as cost_coverage
{%- endmacro %}


{#- Zero where the CTE has no row for the day; where it has one, its value, which may be unknown. -#}
{% macro known_or_none(sums, column) -%}
    case when {{ sums }}.date_day is null then 0 else {{ sums }}.{{ column }} end
{%- endmacro %}


{#- The share `credit` (0 to 1) of an amount, rounded to the smallest unit of its currency; the whole is the whole, even of
    an amount that is finer than its currency allows. -#}
{% macro credited_amount(amount, credit, currency) -%}
    case when {{ credit }} >= 1 then {{ amount }} else {{ rounded_in(amount ~ ' * ' ~ credit, currency) }} end
{%- endmacro %}


{#- The category of what belongs to no line. -#}
{% macro unallocated() -%}
    unallocated
{%- endmacro %}
