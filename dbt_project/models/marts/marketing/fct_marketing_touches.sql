{{
    config(
        materialized='incremental',
        unique_key='visitor_id',
        indexes=[
            {'columns': ['visitor_id']},
            {'columns': ['customer_id']},
            {'columns': ['touch_date']},
        ],
    )
}}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(ref('stg_marketing_touches'), 'visitor_id') }}
),
{% endif %}

-- The first telling of a touch stands. Within its visitor: if two visitors claim the same touch, neither may change
-- what the other shows.
tellings as (
    select
        *,
        row_number() over (partition by visitor_id, touch_id order by touched_at, event_id) as telling,
        count(*) over (partition by visitor_id, touch_id) as tellings
    from {{ rows_to_build(ref('stg_marketing_touches'), 'visitor_id') }} as events
),

told_differently as (
    {{
        told_differently('tellings', ['visitor_id', 'touch_id'],
            ['customer_id', 'session_id', 'channel', 'campaign', 'kind', 'touch_cost', 'currency'])
    }}
)

select
    {{ surrogate_key(['tellings.visitor_id', 'tellings.touch_id']) }} as visitor_touch_id,
    tellings.touch_id,
    tellings.visitor_id,
    tellings.customer_id,
    tellings.session_id,
    tellings.touched_at,
    {{ day_in_tz('tellings.touched_at') }} as touch_date,
    tellings.channel,
    tellings.campaign,
    tellings.kind as touch_kind,
    -- A mail that was sent has reached a mailbox; it reaches somebody when it is opened.
    tellings.kind <> 'email_sent' as has_reached_visitor,
    tellings.touch_cost,
    tellings.currency,
    told_differently.touch_id is not null as has_contradicting_events
from tellings
left join told_differently
    on tellings.visitor_id = told_differently.visitor_id and tellings.touch_id = told_differently.touch_id
where tellings.telling <= 1
