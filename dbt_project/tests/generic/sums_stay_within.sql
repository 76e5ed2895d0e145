{#- Per key, the measure of the model adds up to no more than a column of its parent, a relation with one row per key. -#}
{% test sums_stay_within(model, to, key, measure, at_most, where='true') %}

with

sums as (
    select
        {{ key }},
        sum({{ measure }}) as measured
    from {{ model }}
    where {{ where }}
    group by {{ key }}
)

select
    sums.{{ key }},
    sums.measured,
    parents.{{ at_most }}
from sums
inner join {{ to }} as parents on sums.{{ key }} = parents.{{ key }}
where sums.measured > parents.{{ at_most }}

{% endtest %}
