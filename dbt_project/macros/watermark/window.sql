{#- The window of raw rows that an invocation reads: [floor, ceiling) of writing transactions.

    ceiling  the same for all models of one invocation: no transaction below it is still running, so nothing below it
             can appear later. Neither a clock nor a sequence gives that: a slow transaction may commit below a value
             that was already read.
    floor    per model: the ceiling of its last build, from ops.model_watermarks.

    Both travel as transaction-local settings, because a view outlives the invocation that made it and can hold no
    literal. Outside a model build (an analyst's psql, a test on a view) the views read up to what is complete now. -#}

{% macro open_transform_run() -%}
    {{ return(adapter.dispatch('open_transform_run', 'shop')()) }}
{%- endmacro %}

{% macro default__open_transform_run() -%}
    insert into ops.transform_runs (invocation_id, ceiling)
    select
        '{{ invocation_id }}',
        {% if var('ceiling') is none -%}
            pg_snapshot_xmin(pg_current_snapshot())
        {%- else -%}
            cast('{{ var("ceiling") }}' as xid8)
        {%- endif %}
{%- endmacro %}


{#- One builder per model at a time: a resident refresher and an orchestrator may want the same model. -#}
{% macro lock_model() -%}
    {{ return(adapter.dispatch('lock_model', 'shop')()) }}
{%- endmacro %}

{% macro default__lock_model() -%}
    select pg_advisory_xact_lock(hashtextextended('{{ watermark_name(this) }}', 0))
{%- endmacro %}


{% macro open_window() -%}
    {{ return(adapter.dispatch('open_window', 'shop')()) }}
{%- endmacro %}

{% macro default__open_window() -%}
    select
        set_config('shop.ceiling', cast(runs.ceiling as text), true),
        set_config('shop.floor', coalesce(cast(marks.ceiling as text), '0'), true),
        -- Models join whole sets, for which hashing is right. Raw rows that autovacuum has not seen yet make the planner
        -- guess "one row" and compare each with each.
        set_config('enable_nestloop', 'off', true)
    from ops.transform_runs as runs
    left join ops.model_watermarks as marks on marks.model = '{{ watermark_name(this) }}'
    where runs.invocation_id = '{{ invocation_id }}'
{%- endmacro %}


{#- What every model that reads a source asks of its rows. `is true` hides the comparison from the index on `_xid`: nearly
    every row is below the ceiling, but the planner takes it for a third and would combine that index with the one on
    `subject`, which costs a walk over the whole table for every entity looked up. -#}
{% macro below_ceiling(column='_xid') -%}
    ({{ column }} < {{ watermark_ceiling() }}) is true
{%- endmacro %}


{#- A scalar subquery, so that it is computed once per query and not once per row. -#}
{% macro watermark_ceiling() -%}
    {{ return(adapter.dispatch('watermark_ceiling', 'shop')()) }}
{%- endmacro %}

{% macro default__watermark_ceiling() -%}
    (
        select
            coalesce(
                cast(nullif(current_setting('shop.ceiling', true), '') as xid8),
                pg_snapshot_xmin(pg_current_snapshot())
            )
    )
{%- endmacro %}


{#- Not a subquery: the planner looks at the value and sees how few rows are new. Fails where no window is open. -#}
{% macro watermark_floor() -%}
    {{ return(adapter.dispatch('watermark_floor', 'shop')()) }}
{%- endmacro %}

{% macro default__watermark_floor() -%}
    cast(current_setting('shop.floor') as xid8)
{%- endmacro %}


{#- What ops.model_watermarks calls a model. -#}
{% macro watermark_name(relation) -%}
    {{- relation.schema ~ '.' ~ relation.identifier -}}
{%- endmacro %}
