{#- Retraction: a person took landed events back (`shop events retract`). Nothing in raw names what they touched any more,
    so `ops.retractions` is read beside it: a retraction touches an entity as a new event does, and a row whose entity
    is not told by any event any more goes. A restored event is an ordinary new row. -#}

{#- Retractions that this build sees for the first time, of these topics. -#}
{% macro newly_retracted(topics) -%}
    retracted.topic in ('shop.{{ topics | join("', 'shop.") }}')
    and retracted._xid >= {{ watermark_floor() }}
    and {{ below_ceiling('retracted._xid') }}
{%- endmacro %}


{#- Keys of what newly retracted events were about: of the topics that name such a key by their subject, or in a column. -#}
{% macro retracted_keys(key, topics=none) -%}
    {%- set named = {
        'order_id': ['orders', 'returns'],
        'product_id': ['products', 'inventory'],
        'visitor_id': ['marketing'],
        'session_id': ['web', 'orders'],
        'customer_id': ['marketing'],
        'event_id': ['web'],
    } -%}
    {%- set column = key if key in ('session_id', 'customer_id', 'event_id') else 'subject' -%}
    select retracted.{{ column }} as {{ key }} from ops.retractions as retracted
    where {{ newly_retracted(topics or named[key]) }} and retracted.{{ column }} is not null
{%- endmacro %}


{#- In the transaction of delete+insert, before it deletes: rows of retracted entities that no event tells any more go;
    the days that they leave are noted for the roll-ups, as those of every changed row. An order names its session and
    does not make it: a session's row stands or goes by the session's own events. -#}
{% macro delete_retracted(target, source, unique_key) -%}
    {%- if unique_key in ('order_id', 'product_id', 'visitor_id', 'session_id', 'event_id') -%}
    {%- set day_column = config.get('meta', {}).get('day_column') -%}
    {%- set gone -%}
    delete from {{ target }} as standing
    where
        standing.{{ unique_key }} in ({{ retracted_keys(unique_key, ['web'] if unique_key == 'session_id' else none) }})
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
    computed again: the one that brought the event, and those that brought another event of its order or session. -#}
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
        and {{ is_any_event(['order.placed', 'order.amended', 'order.cancelled', 'refund.issued',
            'web.session_started'], 'retracted.event_type') }}
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


{#- Whether a row tells of sessions on a day from which retention has removed some: raw cannot tell it again. -#}
{% macro is_of_lost_sessions(event_type, date_day) -%}
    {{ event_type }} = 'web.session_started'
    and {{ date_day }} <= (
        select {{ day_in_tz("(max(lost.older_than) - interval '1 second')") }} from ops.retention_runs as lost
        where lost.relation = 'raw.web'
    )
{%- endmacro %}


{#- Pre-hook of fct_late_events: what is computed again goes first. What only removed rows could tell stays as it is. -#}
{% macro clear_reopened_landings() -%}
    {%- if is_incremental() -%}
    delete from {{ this }}
    where
        landed_by in (select {{ transaction_number('reopened._xid') }} from ({{ reopened_landings() }}) as reopened)
        and ({{ is_of_lost_sessions('event_type', 'date_day') }}) is not true
    {%- endif -%}
{%- endmacro %}
