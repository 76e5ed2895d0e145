{#- The schema is exactly the configured one, after SHOP_DBT_SCHEMA_PREFIX (a developer's, a pull request's, a verifier's
    own copy of everything). dbt's own rule would give `marts_staging`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{- env_var('SHOP_DBT_SCHEMA_PREFIX', '') ~ ((custom_schema_name or target.schema) | trim) -}}
{%- endmacro %}
