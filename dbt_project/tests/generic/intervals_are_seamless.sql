{#- Per key, the intervals [valid_from, valid_to) neither overlap nor leave a gap, from always (null) until further
    notice (null). -#}
{% test intervals_are_seamless(model, key) %}

with

ordered as (
    select
        {{ key }},
        valid_from,
        valid_to,
        row_number() over (
            partition by {{ key }} order by case when valid_from is null then 0 else 1 end, valid_from
        ) as place,
        count(*) over (partition by {{ key }}) as places
    from {{ model }}
),

compared as (
    select
        *,
        lag(valid_to) over (partition by {{ key }} order by place) as previous_valid_to
    from ordered
)

select * from compared
where
    (place = 1) <> (valid_from is null)
    or (place = places) <> (valid_to is null)
    or valid_from >= valid_to
    or (place > 1 and (valid_from = previous_valid_to) is not true)

{% endtest %}
