{#- Minutes from one instant to another, with two decimals. -#}
{% macro minutes_between(earlier, later) -%}
    {{ return(adapter.dispatch('minutes_between', 'shop')(earlier, later)) }}
{%- endmacro %}

{% macro default__minutes_between(earlier, later) -%}
    cast(extract(epoch from ({{ later }} - {{ earlier }})) / 60 as numeric(24, 2))
{%- endmacro %}


{#- Hours from one instant to another, with two decimals. -#}
{% macro hours_between(earlier, later) -%}
    {{ return(adapter.dispatch('hours_between', 'shop')(earlier, later)) }}
{%- endmacro %}

{% macro default__hours_between(earlier, later) -%}
    cast(extract(epoch from ({{ later }} - {{ earlier }})) / 3600 as numeric(24, 2))
{%- endmacro %}
