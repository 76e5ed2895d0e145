{#- A guard against fan-out: joined with `to`, no row of the model is there twice. Whether each finds a partner is asked
    by relationships.

    condition  how readers join, over the aliases `facts` and `others`. -#}
{% test join_keeps_the_rows(model, to, condition) %}

with

counted as (
    select count(*) as rows_count from {{ model }}
),

joined as (
    select count(*) as rows_count
    from {{ model }} as facts
    left join {{ to }} as others on {{ condition }}
)

select
    counted.rows_count,
    joined.rows_count as joined_rows_count
from counted
cross join joined
where counted.rows_count <> joined.rows_count

{% endtest %}
