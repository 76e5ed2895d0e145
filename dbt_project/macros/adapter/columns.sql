{#
    What dbt asks of PostgreSQL about columns several times per model and build, in the words of the catalog.

    dbt's own question goes to information_schema, a view of many joins that checks the rights on every row: over half of all
    the time that PostgreSQL spent on an incremental build of a small shop. And dbt writes every comment again with every
    build, which leaves a dead row in the catalog for each.
#}

{% macro postgres__get_columns_in_relation(relation) -%}
    {%- call statement('get_columns_in_relation', fetch_result=True) -%}
        select
            attname as column_name,
            format_type(atttypid, null) as data_type,
            information_schema._pg_char_max_length(atttypid, atttypmod) as character_maximum_length,
            information_schema._pg_numeric_precision(atttypid, atttypmod) as numeric_precision,
            information_schema._pg_numeric_scale(atttypid, atttypmod) as numeric_scale
        from pg_catalog.pg_attribute
        where attrelid = to_regclass('{{ relation.include(database=False) }}') and attnum > 0 and not attisdropped
        order by attnum
    {%- endcall -%}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}

{% macro postgres__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if execute and (for_relation or for_columns) -%}
        {%- set stands = {} -%}
        {%- call statement('comments', fetch_result=True) -%}
            select a.attname, d.description
            from pg_catalog.pg_description as d
            left join pg_catalog.pg_attribute as a on a.attrelid = d.objoid and a.attnum = d.objsubid and a.attnum > 0
            where d.classoid = 'pg_catalog.pg_class'::regclass
                and d.objoid = to_regclass('{{ relation.include(database=False) }}')
        {%- endcall -%}
        {%- for name, comment in load_result('comments').data -%}
            {%- do stands.update({name: comment}) -%}
        {%- endfor -%}
        {%- if for_relation and config.persist_relation_docs() and model.description
            and stands.get(none) != model.description -%}
            {%- do run_query(alter_relation_comment(relation, model.description)) -%}
        {%- endif -%}
        {%- if for_columns and config.persist_column_docs() -%}
            {%- set changed = {} -%}
            {%- for name, column in model.columns.items() if column.description != stands.get(name, '') -%}
                {%- do changed.update({name: column}) -%}
            {%- endfor -%}
            {%- if changed -%}
                {%- do run_query(alter_column_comment(relation, changed)) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- dbt's own warns of every column of the type numeric without a scale, with each build. Amounts are such on purpose: they
    have the decimals of their currency (macros/portable/types.sql). -#}
{% macro postgres__get_empty_schema_sql(columns) -%}
    {%- for column in columns.values() if column['data_type'] is not defined -%}
        {{ exceptions.column_type_missing(column_names=[column['name']]) }}
    {%- endfor %}
    select
    {%- for column in columns.values() %}
        cast(null as {{ column['data_type'] }}) as
        {{ adapter.quote(column['name']) if column.get('quote') else column['name'] }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
