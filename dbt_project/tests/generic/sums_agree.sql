{#- An accounting identity: per key, each measure of the model adds up to the same as its counterpart in `to`.

    measures  {expression on the model: expression on `to`}; a key that one side lacks counts as zero there. What is null
              when one part is: coalesce to NaN, which is equal to itself and whatever is added to it. -#}
{% test sums_agree(model, to, key, measures, to_key=none, where='true', to_where='true') %}

with

ours as (
    select
        {{ key }},
        {%- for mine in measures %}
        sum({{ mine }}) as measure_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
    where {{ where }}
    group by {{ key }}
),

theirs as (
    select
        {{ to_key or key }},
        {%- for counterpart in measures.values() %}
        sum({{ counterpart }}) as measure_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ to }}
    where {{ to_where }}
    group by {{ to_key or key }}
)

select
    {%- for column in key.split(',') %}
    coalesce(ours.{{ column | trim }}, theirs.{{ (to_key or key).split(',')[loop.index0] | trim }}) as {{ column | trim }},
    {%- endfor %}
    {%- for mine in measures %}
    ours.measure_{{ loop.index }} as our_{{ loop.index }},
    theirs.measure_{{ loop.index }} as their_{{ loop.index }}{{ ',' if not loop.last }}
    {%- endfor %}
from ours
full outer join theirs
    on {% for column in key.split(',') -%}
        ours.{{ column | trim }} = theirs.{{ (to_key or key).split(',')[loop.index0] | trim }}
        {%- if not loop.last %} and {% endif -%}
    {%- endfor %}
where
    {%- for mine in measures %}
    coalesce(ours.measure_{{ loop.index }}, 0) <> coalesce(theirs.measure_{{ loop.index }}, 0)
    {%- if not loop.last %} or {% endif -%}
    {%- endfor %}

{% endtest %}
