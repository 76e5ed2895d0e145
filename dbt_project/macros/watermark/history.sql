{#- Retention may have removed old rows of a raw table (`shop retention`). Incremental runs do not notice: marts keep what
    they hold. A build from nothing would lose those days for good, so it has to be asked for in so many words. -#}

{#- Pre-hook of every mart. Also for one that reads the table only to find out what is touched: better once too often. -#}
{% macro guard_history() -%}
    {%- if execute and not is_incremental() and not var('accept_lost_history') -%}
        {%- set tables = upstream_raw_tables(model.unique_id) -%}
        {%- if tables -%}
            {%- set shortened = run_query(shortened_tables(tables)) -%}
            {%- if shortened.rows | length > 0 -%}
                {%- do exceptions.raise_compiler_error(
                    this.identifier ~ " is to be built from nothing, but retention has removed events from "
                    ~ shortened.rows[0][0] ~ " before " ~ shortened.rows[0][1] ~ ": those days would be lost."
                    ~ " Build it without --full-refresh, or accept that with --vars '{accept_lost_history: true}'."
                ) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{% macro shortened_tables(tables) -%}
    {{ return(adapter.dispatch('shortened_tables', 'shop')(tables)) }}
{%- endmacro %}

{% macro default__shortened_tables(tables) -%}
    select
        relation,
        to_char(max(older_than) at time zone 'UTC', 'YYYY-MM-DD')
    from ops.retention_runs
    where relation in ('{{ tables | join("', '") }}')
    group by relation
    order by relation
{%- endmacro %}


{#- The raw tables that a model reads itself, through views. -#}
{% macro upstream_raw_tables(unique_id) -%}
    {%- set found = [] -%}
    {%- for parent_id in graph.nodes[unique_id].depends_on.nodes -%}
        {%- if parent_id in graph.sources -%}
            {%- if graph.sources[parent_id].source_name == 'raw' -%}
                {%- do found.append('raw.' ~ graph.sources[parent_id].name) -%}
            {%- endif -%}
        {%- elif graph.nodes[parent_id].config.materialized not in ('table', 'incremental') -%}
            {%- do found.extend(upstream_raw_tables(parent_id)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found | unique | sort) }}
{%- endmacro %}
