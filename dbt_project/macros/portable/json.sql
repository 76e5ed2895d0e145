{#- Reading the JSON payload. Another engine overrides these, not the models. -#}

{% macro json_text(key, column='data') -%}
    {{ return(adapter.dispatch('json_text', 'shop')(key, column)) }}
{%- endmacro %}

{% macro default__json_text(key, column) -%}
    {{ column }} ->> '{{ key }}'
{%- endmacro %}


{% macro json_object(key, column='data') -%}
    {{ return(adapter.dispatch('json_object', 'shop')(key, column)) }}
{%- endmacro %}

{% macro default__json_object(key, column) -%}
    {{ column }} -> '{{ key }}'
{%- endmacro %}


{% macro json_money(key, column='data') -%}
    {{ money('cast(' ~ json_text(key, column) ~ ' as ' ~ money_type() ~ ')') }}
{%- endmacro %}

{% macro json_integer(key, column='data') -%}
    cast({{ json_text(key, column) }} as integer)
{%- endmacro %}

{% macro json_boolean(key, column='data') -%}
    cast({{ json_text(key, column) }} as boolean)
{%- endmacro %}

{% macro json_date(key, column='data') -%}
    cast({{ json_text(key, column) }} as date)
{%- endmacro %}


{#- An instant of the payload: ISO 8601 with an offset. -#}
{% macro json_timestamp(key, column='data') -%}
    cast({{ json_text(key, column) }} as timestamp with time zone)
{%- endmacro %}


{#- A lateral join that gives one row per element of an array: `<alias>.element` and `<alias>.position`, from 1. -#}
{% macro json_elements(key, alias, column='data') -%}
    {{ return(adapter.dispatch('json_elements', 'shop')(key, alias, column)) }}
{%- endmacro %}

{% macro default__json_elements(key, alias, column) -%}
    cross join lateral jsonb_array_elements({{ column }} -> '{{ key }}') with ordinality as {{ alias }} (element, position)
{%- endmacro %}
