{#- What an event about a product changes in facts that were sold under it: not every row of the product (a shop that
    reprices daily would rebuild its whole history daily), only the rows from the event's time on. -#}

{#- Keys of `relation` with a row above the floor, and `since` when what depends on them must be computed again: from the
    earliest new row, or from always when a new row is the first, which also holds for what happened before it. A row
    that was retracted counts as a new one at its time: what it held for is told by the others now. -#}
{% macro restated_since(relation, key, instant) -%}
    {%- set news = "(select " ~ key ~ " from " ~ relation ~ " where " ~ is_new(relation) ~ " union "
        ~ retracted_keys(key, ['products']) ~ ")" -%}
    select
        told.{{ key }},
        case
            when min(told.news_at) > min(told.told_at) then min(told.news_at)
            else cast('0001-01-01 00:00:00+00' as timestamp with time zone)
        end as since
    from (
        select
            events.{{ key }},
            events.{{ instant }} as told_at,
            case when {{ is_new(relation) }} then events.{{ instant }} end as news_at
        from {{ rows_of_keys(relation, key, news) }} as events
        union all
        select
            retracted.subject as {{ key }},
            retracted.event_time as told_at,
            retracted.event_time as news_at
        from ops.retractions as retracted
        where {{ newly_retracted(['products']) }}
    ) as told
    group by told.{{ key }}
{%- endmacro %}


{#- Rows of `relation` whose `key` is one of `keys` and whose `instant` is not before that key's `since`; looked up
    through an index on both, like `rows_of_keys`. -#}
{% macro rows_of_keys_since(relation, key, keys, instant) -%}
    {{ return(adapter.dispatch('rows_of_keys_since', 'shop')(relation, key, keys, instant)) }}
{%- endmacro %}

{% macro default__rows_of_keys_since(relation, key, keys, instant) -%}
    (
        select found.*
        from {{ keys }} as wanted
        cross join lateral (
            select * from {{ relation }} as candidates
            where candidates.{{ key }} = wanted.{{ key }} and candidates.{{ instant }} >= wanted.since
            offset 0
        ) as found
        offset 0
    )
{%- endmacro %}


{#- A history to join with: all of it in a full refresh, else that of the keys in `keys`, looked up through the index.
    The view's windows are partitioned by `key`, so the condition reaches the raw rows. -#}
{% macro history_of(relation, key, keys) -%}
    {%- if is_incremental() -%}
        {{ rows_of_keys(relation, key, keys) }}
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
