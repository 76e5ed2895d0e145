{#- What a row repeats of its parent is what the parent says.

    columns  {column of the model: column of `to`}; none of them is ever null. -#}
{% test agrees_with_parent(model, to, key, columns, to_key=none) %}

select
    children.{{ key }},
    {%- for mine, theirs in columns.items() %}
    children.{{ mine }} as our_{{ mine }},
    parents.{{ theirs }} as their_{{ theirs }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ model }} as children
inner join {{ to }} as parents on children.{{ key }} = parents.{{ to_key or key }}
where
    {%- for mine, theirs in columns.items() %}
    children.{{ mine }} <> parents.{{ theirs }}
    {%- if not loop.last %} or {% endif -%}
    {%- endfor %}

{% endtest %}
