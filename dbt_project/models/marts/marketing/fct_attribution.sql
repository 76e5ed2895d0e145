{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_id']},
            {'columns': ['order_date']},
        ],
    )
}}

-- depends_on: {{ ref('stg_orders_placed') }}
-- depends_on: {{ ref('stg_order_progress') }}
-- depends_on: {{ ref('stg_sessions_started') }}
-- depends_on: {{ ref('stg_marketing_touches') }}
with

{% if is_incremental() %}
touched_visitors as (
    {{ touched_keys(ref('stg_marketing_touches'), 'visitor_id') }}
),

-- Of every telling of their touches: the customer named by a telling that no longer stands loses a touch.
touched_customers as (
    select distinct customer_id
    from {{ rows_of_keys(ref('stg_marketing_touches'), 'visitor_id', 'touched_visitors') }} as tellings
    where customer_id is not null
    union
    {{ retracted_keys('customer_id') }}
),

touched_sessions as (
    {{ touched_keys(ref('stg_sessions_started'), 'session_id') }}
    union
    select session_id from {{ rows_of_keys(ref('fct_sessions'), 'visitor_id', 'touched_visitors') }} as sessions
    where has_order
),

touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id', "step = 'cancelled'") }}
    union
    select order_id from {{ rows_of_keys(ref('fct_orders'), 'session_id', 'touched_sessions') }} as orders
    union
    select order_id from {{ rows_of_keys(ref('fct_orders'), 'customer_id', 'touched_customers') }} as orders
),
{% endif %}

orders as (
    select * from {{ rows_to_build(ref('fct_orders'), 'order_id') }} as facts
),

{% if is_incremental() %}
wanted_sessions as (
    select distinct session_id from orders
    where session_id is not null
),

sessions as (
    select * from {{ rows_of_keys(ref('fct_sessions'), 'session_id', 'wanted_sessions') }} as facts
),
{% else %}
sessions as (
    select * from {{ ref('fct_sessions') }}
),
{% endif %}

journeys as (
    select
        orders.order_id,
        orders.customer_id,
        orders.session_id,
        orders.ordered_at,
        orders.channel as order_channel,
        orders.campaign as order_campaign,
        sessions.visitor_id,
        sessions.started_at,
        sessions.channel as session_channel,
        sessions.campaign as session_campaign
    from orders
    left join sessions on orders.session_id = sessions.session_id
),

{% if is_incremental() %}
wanted_visitors as (
    select distinct visitor_id from journeys
    where visitor_id is not null
),

wanted_customers as (
    select distinct customer_id from journeys
),

touches_by_visitor as (
    select * from {{ rows_of_keys(ref('fct_marketing_touches'), 'visitor_id', 'wanted_visitors') }} as facts
),

touches_by_customer as (
    select * from {{ rows_of_keys(ref('fct_marketing_touches'), 'customer_id', 'wanted_customers') }} as facts
),
{% else %}
touches_by_visitor as (
    select * from {{ ref('fct_marketing_touches') }}
),

touches_by_customer as (
    select * from {{ ref('fct_marketing_touches') }}
),
{% endif %}

-- `union` leaves one of a touch that names both the visitor and the customer.
matched as (
    select
        journeys.order_id,
        journeys.ordered_at,
        journeys.session_id as order_session_id,
        touches.session_id,
        touches.visitor_id,
        touches.touch_id,
        touches.touch_kind,
        touches.channel,
        touches.campaign,
        touches.touched_at,
        touches.has_reached_visitor
    from journeys
    inner join touches_by_visitor as touches on journeys.visitor_id = touches.visitor_id
    union
    select
        journeys.order_id,
        journeys.ordered_at,
        journeys.session_id as order_session_id,
        touches.session_id,
        touches.visitor_id,
        touches.touch_id,
        touches.touch_kind,
        touches.channel,
        touches.campaign,
        touches.touched_at,
        touches.has_reached_visitor
    from journeys
    inner join touches_by_customer as touches on journeys.customer_id = touches.customer_id
),

-- Thirty days, in hours: days would depend on the connection's time zone.
campaign_touches as (
    select * from matched
    where has_reached_visitor and touched_at <= ordered_at and touched_at >= ordered_at - interval '720 hours'
),

led as (
    select
        order_id,
        sum(case when session_id = order_session_id then 1 else 0 end) as clicks_into_session
    from campaign_touches
    group by order_id
),

-- How the visitor came to the session of the order is a touch of its own, unless the click that led there is among the
-- touches already. Coming direct is no touch: it gets the credit only when there is nothing else, and so does the
-- order's own word when its session is not known.
own_touches as (
    select
        journeys.order_id,
        journeys.visitor_id,
        case when journeys.visitor_id is null then 'order' else 'session' end as touch_kind,
        coalesce(journeys.session_channel, journeys.order_channel) as channel,
        case
            when journeys.visitor_id is null then journeys.order_campaign else journeys.session_campaign
        end as campaign,
        coalesce(journeys.started_at, journeys.ordered_at) as touched_at
    from journeys
    left join led on journeys.order_id = led.order_id
    where
        led.order_id is null
        or (led.clicks_into_session = 0 and journeys.session_channel <> 'direct')
),

touches as (
    select
        order_id,
        visitor_id,
        touch_id,
        touch_kind,
        channel,
        campaign,
        touched_at
    from campaign_touches
    union all
    select
        order_id,
        visitor_id,
        cast(null as text) as touch_id,
        touch_kind,
        channel,
        campaign,
        touched_at
    from own_touches
),

numbered as (
    select
        *,
        row_number() over (
            partition by order_id order by touched_at, coalesce(touch_id, ''), visitor_id
        ) as touch_position,
        count(*) over (partition by order_id) as touches_count
    from touches
),

attribution_models as (
    select 'first_touch' as attribution_model
    union all
    select 'last_touch' as attribution_model
    union all
    select 'linear' as attribution_model
    union all
    select 'position_based' as attribution_model
),

-- The credit of all touches up to this one. Weights and amounts are differences of its rounded multiples, so that
-- they add up exactly, however often a third or a cent has to be split.
cumulated as (
    select
        numbered.*,
        attribution_models.attribution_model,
        case
            when attribution_models.attribution_model = 'first_touch' then 1
            when numbered.touch_position = numbered.touches_count then 1
            when attribution_models.attribution_model = 'last_touch' then 0
            when attribution_models.attribution_model = 'linear'
                then cast(numbered.touch_position as numeric) / numbered.touches_count
            when numbered.touches_count = 2 then 0.5
            else 0.4 + 0.2 * (numbered.touch_position - 1) / (numbered.touches_count - 2)
        end as credit_until
    from numbered
    cross join attribution_models
),

credited as (
    select
        *,
        lag(credit_until, 1, 0) over (partition by order_id, attribution_model order by touch_position) as credit_before
    from cumulated
)

select
    {{ surrogate_key(['credited.order_id', 'credited.attribution_model', 'credited.touch_position']) }}
        as attribution_id,
    credited.order_id,
    credited.attribution_model,
    cast(credited.touch_position as integer) as touch_position,
    cast(credited.touches_count as integer) as touches_count,
    orders.customer_id,
    credited.visitor_id,
    credited.touch_id,
    credited.touch_kind,
    credited.channel,
    credited.campaign,
    credited.touched_at,
    orders.ordered_at,
    orders.order_date,
    orders.is_cancelled,
    cast(round(credited.credit_until, 6) - round(credited.credit_before, 6) as numeric(24, 6)) as weight,
    orders.currency,
    {{
        money(credited_amount('orders.net_amount', 'credited.credit_until', 'orders.currency') ~ ' - '
            ~ credited_amount('orders.net_amount', 'credited.credit_before', 'orders.currency'))
    }} as attributed_net_amount
from credited
inner join orders on credited.order_id = orders.order_id
where credited.credit_until > credited.credit_before
