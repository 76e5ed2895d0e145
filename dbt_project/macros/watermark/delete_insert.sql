{#- dbt's own delete+insert, by lookups of the keys only: a model is computed without nested loops (see open_window),
    but to find a few keys in a large table they are right, and hashing or merging would read it whole. The planner is
    not asked, because for a table that grew since it was analyzed it guesses wrong; the price is that a window with as
    many keys as the table has rows is looked up key by key as well. Before it, the days that change are noted for the
    roll-ups, and rows go of which every event was retracted. -#}
{% macro postgres__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
    set local enable_nestloop = on;
    set local enable_hashjoin = off;
    set local enable_mergejoin = off;
    set local enable_seqscan = off;
    {{ note_changed_days(target, source, unique_key, dest_columns) }}
    {{ delete_retracted(target, source, unique_key) }}
    {{ default__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}
