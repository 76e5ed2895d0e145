{#- The pattern of every incremental model: the entities with a new event are found by transaction, then each is built
    again from all its events, so that late, repeated and out-of-order events end in the same rows as a full refresh. -#}

{#- Keys of `relation` (which shows `_xid`) that have a row above the floor, or in a day that is reprocessed, and those of
    retracted events; each once. `only` narrows the rows. -#}
{% macro touched_keys(relation, key, only='') -%}
    select {{ key }} from {{ relation }} where {{ is_new(relation) }}{% if only %} and {{ only }}{% endif %}
    union
    {{ retracted_keys(key) }}
{%- endmacro %}


{#- What a model selects from: all rows of `relation` in a full refresh, else those of the keys in CTE `touched`. -#}
{% macro rows_to_build(relation, key) -%}
    {%- if is_incremental() -%}
        {{ rows_of_keys(relation, key, 'touched') }}
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}


{#- Rows of `relation` whose `key` is one of `keys` (a relation with that column, without repetitions).

    The inner `offset 0` keeps the planner from turning the lookups into a join: whatever it believes about the size of a
    table that was never analyzed, it then goes through the index, once per key. The outer one keeps other joins out of
    that loop: where the planner expects one key, it would have them done again for each of ten thousand. -#}
{% macro rows_of_keys(relation, key, keys) -%}
    {{ return(adapter.dispatch('rows_of_keys', 'shop')(relation, key, keys)) }}
{%- endmacro %}

{% macro default__rows_of_keys(relation, key, keys) -%}
    (
        select found.*
        from {{ keys }} as wanted
        cross join lateral (
            select * from {{ relation }} as candidates
            where candidates.{{ key }} = wanted.{{ key }}
            offset 0
        ) as found
        offset 0
    )
{%- endmacro %}
