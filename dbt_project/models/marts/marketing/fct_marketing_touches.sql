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
        row_number() over (partition by visitor_id, touch_id order by touched_at, event_id) as telling
    from {{ rows_to_build(ref('stg_marketing_touches'), 'visitor_id') }} as events
)

select
    {{ surrogate_key(['visitor_id', 'touch_id']) }} as visitor_touch_id,
    touch_id,
    visitor_id,
    customer_id,
    session_id,
    touched_at,
    {{ day_in_tz('touched_at') }} as touch_date,
    channel,
    campaign,
    kind as touch_kind,
    -- A mail that was sent has reached a mailbox; it reaches somebody when it is opened.
    kind <> 'email_sent' as has_reached_visitor,
    touch_cost,
    currency
from tellings
where telling <= 1
