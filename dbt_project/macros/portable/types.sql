{#- Wide enough that no sum over events which the contract accepts can overflow; an aggregate loses the scale, so every
    mart casts back to this. -#}
{% macro money_type() -%}
    numeric(24, 2)
{%- endmacro %}

{% macro money(expression) -%}
    cast({{ expression }} as {{ money_type() }})
{%- endmacro %}


{#- part / whole with six decimals; null when there is no whole. -#}
{% macro ratio(part, whole) -%}
    cast(cast({{ part }} as numeric) / nullif({{ whole }}, 0) as numeric(24, 6))
{%- endmacro %}


{#- Whether two values differ, where nothing equals nothing. -#}
{% macro differ(one, other) -%}
    coalesce({{ one }} <> {{ other }}, ({{ one }} is null) <> ({{ other }} is null))
{%- endmacro %}
