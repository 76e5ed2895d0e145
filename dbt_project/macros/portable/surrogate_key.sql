{#- One not-null text key from several columns: a composite unique key with a null would duplicate rows. The parts are
    kept apart by their lengths, so that ('a', 'bc') and ('ab', 'c') differ. -#}
{% macro surrogate_key(columns) -%}
    {{ return(adapter.dispatch('surrogate_key', 'shop')(columns)) }}
{%- endmacro %}

{% macro default__surrogate_key(columns) -%}
    md5(
        {%- for column in columns %}
        coalesce(length(cast({{ column }} as text)) || ':' || cast({{ column }} as text), '-')
        {%- if not loop.last %} || {% endif -%}
        {%- endfor %}
    )
{%- endmacro %}
