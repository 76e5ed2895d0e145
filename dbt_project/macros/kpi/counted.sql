{#- What counts in the KPIs of the days that are built, said once for all of them. -#}

{#- Orders that were not cancelled, with their place in the customer's life. Both facts are asked for the days: a
    condition on one does not reach the other through a join, and it would be read whole. -#}
{% macro counted_orders() -%}
    (
        select
            orders.*,
            places.is_first_order
        from {{ ref('fct_orders') }} as orders
        inner join {{ ref('fct_customer_orders') }} as places on orders.order_id = places.order_id
        where
            not orders.is_cancelled
            and {{ in_changed_days('orders.order_date') }}
            and {{ in_changed_days('places.order_date') }}
    )
{%- endmacro %}


{#- Sessions. -#}
{% macro counted_sessions() -%}
    (select * from {{ ref('fct_sessions') }} where {{ in_changed_days('session_date') }})
{%- endmacro %}


{#- Refunds of orders that count, on the day on which they were issued. -#}
{% macro counted_refunds() -%}
    (select * from {{ ref('int_counted_refunds') }} where {{ in_changed_days('refund_date') }})
{%- endmacro %}
