{#- Reprocessing: `--vars '{reprocess_from: 2026-11-01, reprocess_to: 2026-11-07}'` builds those business days again beside
    whatever is new, both days included; so do SHOP_REPROCESS_FROM and SHOP_REPROCESS_TO in the environment, for which dbt
    does not parse the whole project again. To an incremental model an event of those days is as good as new, so every
    entity it belongs to is built again from all its events; roll-ups build those days whether or not a fact changed. It is
    an ordinary run in everything else: the same window, the same watermarks, at any moment, any number of times. -#}

{#- Never asked while dbt parses: it would remember the answer, and parse again when there is another. -#}
{% macro first_reprocessed_day() -%}
    {{ return(var('reprocess_from') or env_var('SHOP_REPROCESS_FROM', '')) }}
{%- endmacro %}

{% macro last_reprocessed_day() -%}
    {{ return(var('reprocess_to') or env_var('SHOP_REPROCESS_TO', '')) }}
{%- endmacro %}


{% macro is_reprocessing() -%}
    {%- if not execute -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set told = [first_reprocessed_day(), last_reprocessed_day()] | select | list -%}
    {%- if told | length == 1 -%}
        {%- do exceptions.raise_compiler_error("reprocess_from and reprocess_to go together: say the first and the last day.") -%}
    {%- endif -%}
    {{ return(told | length == 2) }}
{%- endmacro %}


{#- Whether an instant lies in one of the days. A range, so that an index on the column would be of use. -#}
{% macro in_reprocessed_days(column) -%}
    {{ return(adapter.dispatch('in_reprocessed_days', 'shop')(column)) }}
{%- endmacro %}

{% macro default__in_reprocessed_days(column) -%}
    (
        {{ column }} >= cast('{{ first_reprocessed_day() }}' as timestamp) at time zone '{{ var("shop_tz") }}'
        and {{ column }}
        < (cast('{{ last_reprocessed_day() }}' as timestamp) + interval '1 day') at time zone '{{ var("shop_tz") }}'
    )
{%- endmacro %}


{#- What a model treats as new of `relation`: a staging view, whose configuration `event_time` names its time. -#}
{% macro is_new(relation) -%}
    {%- if is_reprocessing() -%}
    (_xid >= {{ watermark_floor() }} or {{ in_reprocessed_days(event_time_of(relation)) }})
    {%- else -%}
    _xid >= {{ watermark_floor() }}
    {%- endif -%}
{%- endmacro %}


{% macro event_time_of(relation) -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type == 'model' and node.alias == relation.identifier and node.config.event_time -%}
            {%- do found.append(node.config.event_time) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not found -%}
        {%- do exceptions.raise_compiler_error(relation.identifier ~ " does not say its event_time: it cannot be reprocessed by day.") -%}
    {%- endif -%}
    {{ return(found | first) }}
{%- endmacro %}


{#- Pre-hook of every mart: days of which raw no longer holds every event must not be built again. -#}
{% macro guard_reprocessing() -%}
    {%- if is_incremental() and is_reprocessing() -%}
        {%- set tables = upstream_raw_tables(model.unique_id) -%}
        {%- if tables -%}
            {%- for row in run_query(shortened_tables(tables)).rows -%}
                {%- if row[1] | string > first_reprocessed_day() | string -%}
                    {%- do exceptions.raise_compiler_error(
                        this.identifier ~ " cannot be built again from " ~ first_reprocessed_day() ~ " on: retention has removed"
                        ~ " events from " ~ row[0] ~ " before " ~ row[1] ~ ". Begin later."
                    ) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- Pre-hook of every mart: rows of those days that no event accounts for go as well. Only facts that name their day; what is
    built again comes back in the same transaction. -#}
{% macro clear_reprocessed_days() -%}
    {%- set day_column = model.config.get('meta', {}).get('day_column') -%}
    {%- if is_incremental() and is_reprocessing() and day_column -%}
    delete from {{ this }}
    where {{ day_column }} between cast('{{ first_reprocessed_day() }}' as date) and cast('{{ last_reprocessed_day() }}' as date)
    {%- endif -%}
{%- endmacro %}
