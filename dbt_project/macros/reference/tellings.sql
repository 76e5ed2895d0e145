{#- Which telling of an order stands: 1 for the newest amendment, or else the first placing. Amendments are told by events
    of their own and carry the whole order, so that nothing has to be put together. -#}
{% macro telling_of_order() -%}
    row_number() over (partition by order_id order by amended_at desc nulls last, placed_at, event_id)
{%- endmacro %}


{#- A column of an order as its first placing told it, whatever was amended. -#}
{% macro as_placed(column) -%}
    first_value({{ column }}) over (partition by order_id order by amended_at nulls first, placed_at, event_id)
{%- endmacro %}
