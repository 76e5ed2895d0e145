{{
    config(
        materialized='incremental',
        unique_key='event_id',
        indexes=[
            {'columns': ['session_id']},
            {'columns': ['event_date']},
        ],
    )
}}

-- Only the rows of the window, and nothing is looked up: an event id lands once and is never changed, every column
-- comes from the event itself, and each raw row lies in one window. So the windows together are the full refresh, at
-- the price of the new rows. What the session knows (customer, channel, its order) is joined by who reads: copied
-- here, one late beginning would rewrite all events of its session.
select
    event_id,
    session_id,
    visitor_id,
    occurred_at,
    {{ day_in_tz('occurred_at') }} as event_date,
    event_name,
    page_type,
    product_id,
    quantity_delta,
    cart_quantity,
    unit_price,
    currency
from {{ ref('stg_web_events') }}
{% if is_incremental() %}
where {{ is_new(ref('stg_web_events')) }}
{% endif %}
