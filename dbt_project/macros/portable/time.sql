{#- The business day of an instant: the calendar day in the shop's time zone, on both sides of a clock change. -#}
{% macro day_in_tz(column) -%}
    {{ return(adapter.dispatch('day_in_tz', 'shop')(column)) }}
{%- endmacro %}

{% macro default__day_in_tz(column) -%}
    cast({{ column }} at time zone '{{ var("shop_tz") }}' as date)
{%- endmacro %}


{#- On-run-start: the first build stores the zone with the warehouse, one in another zone fails before it builds. -#}
{% macro claim_shop_tz() -%}
    {{ return(adapter.dispatch('claim_shop_tz', 'shop')()) }}
{%- endmacro %}

{% macro default__claim_shop_tz() -%}
    select ops.claim_shop_tz('{{ var("shop_tz") }}', {{ 'true' if var("changes_shop_tz") else 'false' }})
{%- endmacro %}


{#- The first day of the month of a date. -#}
{% macro month_start(column) -%}
    {{ return(adapter.dispatch('month_start', 'shop')(column)) }}
{%- endmacro %}

{% macro default__month_start(column) -%}
    cast(date_trunc('month', {{ column }}) as date)
{%- endmacro %}


{#- One row per day, column `date_day`, both ends included. -#}
{% macro day_spine(first_day, last_day) -%}
    {{ return(adapter.dispatch('day_spine', 'shop')(first_day, last_day)) }}
{%- endmacro %}

{% macro default__day_spine(first_day, last_day) -%}
    select cast(days.instant as date) as date_day
    from
        generate_series(
            cast('{{ first_day }}' as timestamp), cast('{{ last_day }}' as timestamp), interval '1 day'
        ) as days (instant)
{%- endmacro %}


{#- The English name of a date's month or day of the week. -#}
{% macro date_name(part, column) -%}
    {{ return(adapter.dispatch('date_name', 'shop')(part, column)) }}
{%- endmacro %}

{% macro default__date_name(part, column) -%}
    to_char({{ column }}, '{{ {"month": "FMMonth", "day": "FMDay"}[part] }}')
{%- endmacro %}


{#- The hour of an instant, an instant itself: on the day when clocks go back, the two hours of one name stay apart. -#}
{% macro hour_start(column) -%}
    {{ return(adapter.dispatch('hour_start', 'shop')(column)) }}
{%- endmacro %}

{% macro default__hour_start(column) -%}
    date_trunc('hour', {{ column }})
{%- endmacro %}
