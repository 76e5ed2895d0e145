{#- Distances between dates. -#}

{#- Whole days from one date to another. -#}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between', 'shop')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    ({{ later }} - {{ earlier }})
{%- endmacro %}


{#- Calendar months from the month of one date to that of another. -#}
{% macro months_between(earlier, later) -%}
    {{ return(adapter.dispatch('months_between', 'shop')(earlier, later)) }}
{%- endmacro %}

{% macro default__months_between(earlier, later) -%}
    cast(
        12 * (extract(year from {{ later }}) - extract(year from {{ earlier }}))
        + extract(month from {{ later }}) - extract(month from {{ earlier }}) as integer
    )
{%- endmacro %}


{#- The date so many days after another. -#}
{% macro days_after(column, days) -%}
    {{ return(adapter.dispatch('days_after', 'shop')(column, days)) }}
{%- endmacro %}

{% macro default__days_after(column, days) -%}
    ({{ column }} + {{ days }})
{%- endmacro %}
