{#- Amounts have the decimals of their currency, two at least: 12.00 EUR, 1.234 KWD. PostgreSQL's numeric keeps the scale of
    each value, so nothing is rounded that somebody did not round (`rounded_in`), and no sum can overflow. An engine with
    decimals of a fixed scale takes four, the most that ISO 4217 knows. -#}
{% macro money_type() -%}
    {{ return(adapter.dispatch('money_type', 'shop')()) }}
{%- endmacro %}

{% macro default__money_type() -%}
    numeric
{%- endmacro %}


{% macro money(expression) -%}
    {{ return(adapter.dispatch('money', 'shop')(expression)) }}
{%- endmacro %}

{#- A sum has as many decimals as the finer of its parts. -#}
{% macro default__money(expression) -%}
    cast(({{ expression }}) + 0.00 as {{ money_type() }})
{%- endmacro %}



{#- part / whole with six decimals; null when there is no whole. -#}
{% macro ratio(part, whole) -%}
    cast(cast({{ part }} as numeric) / nullif({{ whole }}, 0) as numeric(24, 6))
{%- endmacro %}


{#- Whether two values differ, where nothing equals nothing. -#}
{% macro differ(one, other) -%}
    coalesce({{ one }} <> {{ other }}, ({{ one }} is null) <> ({{ other }} is null))
{%- endmacro %}
