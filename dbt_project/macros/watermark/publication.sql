{#- What a log of published figures knows of its run. A log tells what readers saw and when, so it is the one kind of mart
    that may know the time; it is the time of the run, the same for every row, never a clock asked on the way. -#}

{#- Pre-hook of a log. -#}
{% macro open_publication() -%}
    {{ return(adapter.dispatch('open_publication', 'shop')()) }}
{%- endmacro %}

{% macro default__open_publication() -%}
    select set_config('shop.published_at', cast(runs.started_at as text), true)
    from ops.transform_runs as runs
    where runs.invocation_id = '{{ invocation_id }}'
{%- endmacro %}


{#- When the run began. -#}
{% macro published_at() -%}
    {{ return(adapter.dispatch('published_at', 'shop')()) }}
{%- endmacro %}

{% macro default__published_at() -%}
    cast(current_setting('shop.published_at') as timestamp with time zone)
{%- endmacro %}


{#- A transaction as a number, which a table of another engine can keep. -#}
{% macro transaction_number(column) -%}
    {{ return(adapter.dispatch('transaction_number', 'shop')(column)) }}
{%- endmacro %}

{% macro default__transaction_number(column) -%}
    cast(cast({{ column }} as text) as bigint)
{%- endmacro %}
