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


{#- `shop.order.placed.v1` -> 1. -#}
{% macro event_version(column='event_type') -%}
    cast(replace(split_part({{ column }}, '.', 4), 'v', '') as integer)
{%- endmacro %}


{#- What a field of several versions of one event is read from: `by_version({1: old, 2: new})`, the first version that is
    read so to the expression. A version between or after those reads like the one before it: a version that changes
    other fields needs no line here. -#}
{% macro by_version(readings, column='event_type') -%}
    case
    {%- for version in readings | sort(reverse=true) if version != readings | min %}
        when {{ event_version(column) }} >= {{ version }} then {{ readings[version] }}
    {%- endfor %}
        else {{ readings[readings | min] }}
    end
{%- endmacro %}
