{#- Post-hooks of every mart; they run in the transaction that builds it. -#}

{#- A mart is complete up to the ceiling only when every table it reads is: a partial run that skipped one of those
    must not claim more than that one holds. The claim then stays behind, and the next run reads the gap again. -#}
{% macro record_watermark() -%}
    {{ return(adapter.dispatch('record_watermark', 'shop')()) }}
{%- endmacro %}

{% macro default__record_watermark() -%}
    {%- if execute -%}
    {%- set parents = upstream_tables(model.unique_id) -%}
    insert into ops.model_watermarks (model, ceiling, invocation_id, changes_floor)
    select
        '{{ watermark_name(this) }}',
        {% if parents -%}
        least(
            runs.ceiling,
            (
                select coalesce(min(marks.ceiling), runs.ceiling)
                from ops.model_watermarks as marks
                where marks.model in ('{{ parents | join("', '") }}')
            )
        )
        {%- else -%}
        runs.ceiling
        {%- endif %},
        runs.invocation_id,
        cast(nullif(current_setting('shop.changes_floor', true), '') as xid8)
    from ops.transform_runs as runs
    where runs.invocation_id = '{{ invocation_id }}'
    on conflict (model) do update set
        ceiling = excluded.ceiling,
        invocation_id = excluded.invocation_id,
        changes_floor = excluded.changes_floor,
        built_at = clock_timestamp()
    {%- endif -%}
{%- endmacro %}


{#- The nearest tables above a model, through views, as ops.model_watermarks calls them. -#}
{% macro upstream_tables(unique_id) -%}
    {%- set found = [] -%}
    {%- for parent_id in graph.nodes[unique_id].depends_on.nodes -%}
        {%- set parent = graph.nodes.get(parent_id) -%}
        {%- if parent and parent.resource_type == 'model' -%}
            {%- if parent.config.materialized in ('table', 'incremental') -%}
                {%- do found.append(parent.schema ~ '.' ~ parent.alias) -%}
            {%- else -%}
                {%- do found.extend(upstream_tables(parent_id)) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found | unique | sort) }}
{%- endmacro %}


{#- A table that was just filled has no statistics until autovacuum comes by, and the next model is planned at once. -#}
{% macro refresh_statistics() -%}
    {{ return(adapter.dispatch('refresh_statistics', 'shop')()) }}
{%- endmacro %}

{% macro default__refresh_statistics() -%}
    {% if not is_incremental() %}analyze {{ this }}{% endif %}
{%- endmacro %}
