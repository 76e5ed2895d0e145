{{
    config(
        materialized='incremental',
        unique_key='late_events_id',
        indexes=[
            {'columns': ['date_day']},
        ],
        pre_hook=["{{ clear_reopened_landings() }}"],
    )
}}

-- What an event changed is asked of the moment when it landed, of what had landed until then (`landed_by` not later
-- than its own). So a row never changes, each lies in one window, and the windows together are the full refresh.
-- Only a retraction changes what was known: landings that it concerns are computed again, whole, but for sessions of
-- days that retention has taken: raw cannot tell them again.
with

{% if is_incremental() %}
reopened as (
    {{ reopened_landings() }}
),

touched_orders as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_refunds'), 'order_id') }}
    union
    select order_id from {{ rows_of_keys(ref('stg_orders_placed'), '_xid', 'reopened') }} as told
    union
    select order_id from {{ rows_of_keys(ref('stg_order_progress'), '_xid', 'reopened') }} as told
    union
    select order_id from {{ rows_of_keys(ref('stg_refunds'), '_xid', 'reopened') }} as told
),

touched_sessions as (
    {{ touched_keys(ref('stg_sessions_started'), 'session_id') }}
    union
    {{ touched_keys(ref('stg_orders_placed'), 'session_id') }}
    union
    select session_id from {{ rows_of_keys(ref('stg_sessions_started'), '_xid', 'reopened') }} as told
    union
    select session_id from {{ rows_of_keys(ref('stg_orders_placed'), '_xid', 'reopened') }} as told
),
{% endif %}

placed as (
    select
        event_id,
        order_id,
        session_id,
        currency,
        coalesce(amended_at, placed_at) as occurred_at,
        {{ day_in_tz('placed_at') }} as date_day,
        case when amended_at is null then 'order.placed' else 'order.amended' end as event_type,
        landed_at,
        _xid,
        {{ transaction_number('_xid') }} as landed_by
    from {{ history_of(ref('stg_orders_placed'), 'order_id', 'touched_orders') }} as events
),

cancelled as (
    select
        event_id,
        order_id,
        occurred_at,
        landed_at,
        _xid,
        {{ transaction_number('_xid') }} as landed_by
    from {{ history_of(ref('stg_order_progress'), 'order_id', 'touched_orders') }} as events
    where step = 'cancelled'
),

refunds as (
    select
        event_id,
        order_id,
        refund_id,
        currency,
        issued_at as occurred_at,
        {{ day_in_tz('issued_at') }} as date_day,
        landed_at,
        _xid,
        {{ transaction_number('_xid') }} as landed_by
    from {{ history_of(ref('stg_refunds'), 'order_id', 'touched_orders') }} as events
),

sessions as (
    select
        event_id,
        session_id,
        started_at as occurred_at,
        {{ day_in_tz('started_at') }} as date_day,
        landed_at,
        _xid,
        {{ transaction_number('_xid') }} as landed_by
    from {{ history_of(ref('stg_sessions_started'), 'session_id', 'touched_sessions') }} as events
),

-- An order counts nowhere, its refunds included, until its placing has landed.
known as (
    select
        order_id,
        min(landed_by) as landed_by
    from placed
    group by order_id
),

order_events as (
    select
        event_id,
        event_type,
        order_id,
        occurred_at,
        landed_at,
        _xid,
        landed_by
    from placed
    union all
    select
        event_id,
        'order.cancelled' as event_type,
        order_id,
        occurred_at,
        landed_at,
        _xid,
        landed_by
    from cancelled
),

effects as (
    -- The day on which the order counts, and the one it leaves when an earlier telling lands.
    select
        news.event_id,
        news.event_type,
        news.occurred_at,
        news.landed_at,
        news._xid,
        news.landed_by,
        told.date_day,
        told.currency
    from order_events as news
    inner join placed as told on news.order_id = told.order_id and news.landed_by >= told.landed_by
    union
    -- The days of its refunds: they count with the order and not without it.
    select
        news.event_id,
        news.event_type,
        news.occurred_at,
        news.landed_at,
        news._xid,
        news.landed_by,
        told.date_day,
        told.currency
    from order_events as news
    inner join known on news.order_id = known.order_id and news.landed_by >= known.landed_by
    inner join refunds as told on news.order_id = told.order_id and news.landed_by >= told.landed_by
    union
    -- The day of its session, which converts; over midnight that is the day before.
    select
        news.event_id,
        news.event_type,
        news.occurred_at,
        news.landed_at,
        news._xid,
        news.landed_by,
        told.date_day,
        news.currency
    from placed as news
    inner join sessions as told on news.session_id = told.session_id and news.landed_by >= told.landed_by
    union
    select
        news.event_id,
        'refund.issued' as event_type,
        news.occurred_at,
        news.landed_at,
        news._xid,
        news.landed_by,
        told.date_day,
        told.currency
    from refunds as news
    inner join known on news.order_id = known.order_id and news.landed_by >= known.landed_by
    inner join refunds as told
        on
            news.order_id = told.order_id
            and news.refund_id = told.refund_id
            and news.landed_by >= told.landed_by
    union
    -- A beginning knows no currency: what the visitor looks at tells it.
    select
        news.event_id,
        'web.session_started' as event_type,
        news.occurred_at,
        news.landed_at,
        news._xid,
        news.landed_by,
        told.date_day,
        cast(null as text) as currency
    from sessions as news
    inner join sessions as told on news.session_id = told.session_id and news.landed_by >= told.landed_by
),

new_effects as (
    select *
    from effects
    {% if is_incremental() %}
    where
        _xid >= {{ watermark_floor() }}
        or (
            _xid in (select reopened._xid from reopened)
            and ({{ is_of_lost_sessions('event_type', 'date_day') }}) is not true
        )
    {% endif %}
),

late as (
    select
        *,
        row_number() over (
            partition by landed_by, date_day, event_type, currency order by occurred_at, event_id
        ) as place
    from new_effects
    where date_day < {{ day_in_tz('landed_at') }}
)

select
    {{ surrogate_key(['landed_by', 'date_day', 'event_type', 'currency']) }} as late_events_id,
    landed_by,
    min(landed_at) as landed_at,
    {{ day_in_tz('min(landed_at)') }} as landing_date,
    date_day,
    event_type,
    currency,
    count(*) as events_count,
    cast(max({{ hours_between('occurred_at', 'landed_at') }}) as numeric(24, 2)) as max_lateness_hours,
    {{ list_of('case when place <= 3 then cast(event_id as text) end', 'place') }} as sample_event_ids
from late
group by landed_by, date_day, event_type, currency
