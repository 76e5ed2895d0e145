{#- dbt's own delete+insert, with nested loops allowed again: a model is computed without them (see open_window), but
    deleting a few keys from a large table needs them. -#}
{% macro postgres__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
    set local enable_nestloop = on;
    {{ default__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}
