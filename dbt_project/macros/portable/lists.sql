{#- Several rows' texts as one, in a given order; nulls are left out. -#}
{% macro list_of(expression, order_by) -%}
    {{ return(adapter.dispatch('list_of', 'shop')(expression, order_by)) }}
{%- endmacro %}

{% macro default__list_of(expression, order_by) -%}
    string_agg({{ expression }}, ', ' order by {{ order_by }})
{%- endmacro %}
