{#- Which telling of an order stands: 1 for the newest amendment, or else the first placing. Amendments are told by events
    of their own and carry the whole order, so that nothing has to be put together. -#}
{% macro telling_of_order() -%}
    row_number() over (partition by order_id order by amended_at desc nulls last, placed_at, event_id)
{%- endmacro %}


{#- A column of an order as its first placing told it, whatever was amended; of an order whose placing has not landed, as its
    first amendment tells it. -#}
{% macro as_placed(column) -%}
    first_value({{ column }}) over (partition by order_id order by amended_at nulls first, placed_at, event_id)
{%- endmacro %}


{#- The things that several events tell, and not all of them the same: columns `keys` of `events`, which has one row per
    event and in `tellings` how many tell of its thing. `says` are the columns that are compared, nothing like nothing. When
    it happened is not among them: who sends something again may give it the time of sending. -#}
{% macro told_differently(events, keys, says) -%}
    select {{ keys | join(', ') }}
    from (
        select distinct {{ (keys + says) | join(', ') }}
        from {{ events }}
        where tellings > 1
    ) as told
    group by {{ keys | join(', ') }}
    having count(*) > 1
{%- endmacro %}


{#- What all lines of an event say, as one text, in whatever order they stand: an aggregate over `says`, of which `amounts`
    are told alike with any number of decimals. -#}
{% macro content_of_lines(says, amounts) -%}
    {%- set parts = says | list -%}
    {%- for amount in amounts -%}
        {%- do parts.append('round(' ~ amount ~ ', 4)') -%}
    {%- endfor -%}
    {{ list_of(surrogate_key(parts), surrogate_key(parts)) }}
{%- endmacro %}
