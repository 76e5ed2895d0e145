{#- Retraction: a person took landed events back (`shop events retract`). Nothing in raw names what they touched any more,
    so `ops.retractions` is read beside it: a retraction touches an entity as a new event does, and a row whose entity
    is not told by any event any more goes. A restored event is an ordinary new row. -#}

{#- Where the entities of a key are named: by the subject of these topics, or by a column of a retraction. `owned`: by these
    alone a row stands or goes; an order names its session and does not make it. -#}
{% macro retracted_names() -%}
    {{ return({
        'order_id': {'topics': ['orders', 'returns']},
        'product_id': {'topics': ['products', 'inventory']},
        'visitor_id': {'topics': ['marketing']},
        'session_id': {'topics': ['web', 'orders'], 'column': 'session_id', 'owned': ['web']},
        'customer_id': {'topics': ['marketing'], 'column': 'customer_id'},
        'event_id': {'topics': ['web'], 'column': 'event_id'},
    }) }}
{%- endmacro %}


{#- Retractions that this build sees for the first time, of these topics. -#}
{% macro newly_retracted(topics, alias='retracted') -%}
    {{ return(adapter.dispatch('newly_retracted', 'shop')(topics, alias)) }}
{%- endmacro %}

{% macro default__newly_retracted(topics, alias) -%}
    {{ alias }}.topic in ('shop.{{ topics | join("', 'shop.") }}')
    and {{ alias }}._xid >= {{ watermark_floor() }}
    and {{ below_ceiling(alias ~ '._xid') }}
{%- endmacro %}


{#- Keys of what newly retracted events were about. -#}
{% macro retracted_keys(key, owned=false) -%}
    {%- set names = retracted_names()[key] -%}
    {%- set topics = names.get('owned', names['topics']) if owned else names['topics'] -%}
    {%- set column = 'retracted.' ~ names.get('column', 'subject') -%}
    select {{ column }} as {{ key }} from ops.retractions as retracted
    where {{ newly_retracted(topics) }} and {{ column }} is not null
{%- endmacro %}


{#- In the transaction of delete+insert, before it deletes: rows of retracted entities that no event tells any more go;
    the days that they leave are noted for the roll-ups, as those of every changed row. -#}
{% macro delete_retracted(target, source, unique_key) -%}
    {%- if unique_key in retracted_names() -%}
    {%- set day_column = config.get('meta', {}).get('day_column') -%}
    {%- set gone -%}
    delete from {{ target }} as standing
    where
        standing.{{ unique_key }} in ({{ retracted_keys(unique_key, owned=true) }})
        and not exists (select from {{ source }} as told where told.{{ unique_key }} = standing.{{ unique_key }})
    {%- endset -%}
    {%- if day_column -%}
    with gone as (
        {{ gone }}
        returning standing.{{ day_column }} as date_day
    )
    insert into ops.changed_days (relation, date_day)
    select distinct
        '{{ watermark_name(target) }}',
        gone.date_day
    from gone
    where gone.date_day is not null;
    {%- else -%}
    {{ gone }};
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- fct_late_events tells what an event changed when it landed. Of a landing that a retraction concerns everything is
    told again: the one that brought the event, and those that brought another event of its order or session. -#}
{% macro reopened_landings() -%}
    {%- set orders -%} (select distinct gone.order_id from ({{ retracted_keys('order_id') }}) as gone) {%- endset -%}
    {%- set sessions -%}
    (
        select distinct retracted.session_id from ops.retractions as retracted
        where {{ newly_retracted(['web']) }} and {{ is_event('web.session_started', 'retracted.event_type') }}
    )
    {%- endset -%}
    select retracted.landed_xid as _xid from ops.retractions as retracted
    where
        {{ newly_retracted(['orders', 'returns', 'web']) }}
        and {{ is_any_event(['order.placed', 'order.cancelled', 'refund.issued', 'web.session_started'],
            'retracted.event_type') }}
    union
    select unnest(retracted.session_landings) as _xid from ops.retractions as retracted
    where {{ newly_retracted(['web']) }}
    {%- for relation in ('stg_orders_placed', 'stg_order_progress', 'stg_refunds') %}
    union
    select told._xid from {{ rows_of_keys(ref(relation), 'order_id', orders) }} as told
    {%- endfor %}
    union
    select told._xid from {{ rows_of_keys(ref('stg_sessions_started'), 'session_id', sessions) }} as told
{%- endmacro %}


{#- Pre-hook of fct_late_events: what is told again goes first. -#}
{% macro clear_reopened_landings() -%}
    {%- if is_incremental() -%}
    delete from {{ this }}
    where landed_by in (select {{ transaction_number('reopened._xid') }} from ({{ reopened_landings() }}) as reopened)
    {%- endif -%}
{%- endmacro %}
