{#- Whether a raw row is an event of this name, whatever its version: `is_event('order.placed')`. -#}
{% macro is_event(name, column='event_type') -%}
    {{ column }} like 'shop.{{ name | replace("_", "\\_") }}.v%'
{%- endmacro %}

{% macro is_any_event(names, column='event_type') -%}
    ({% for name in names %}{{ is_event(name, column) }}{% if not loop.last %} or {% endif %}{% endfor %})
{%- endmacro %}


{#- `shop.order.placed.v1` -> `placed`. -#}
{% macro event_name(column='event_type') -%}
    split_part({{ column }}, '.', 3)
{%- endmacro %}
