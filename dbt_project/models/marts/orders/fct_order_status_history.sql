{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['order_id', 'sequence_number']},
            {'columns': ['transition_date']},
        ],
    )
}}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_payments'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_returns'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_refunds'), 'order_id') }}
),
{% endif %}

placed as (
    select distinct order_id from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
),

attempts as (
    select
        order_id,
        status,
        attempted_at,
        event_id,
        row_number() over (partition by order_id, payment_id order by attempted_at desc, event_id desc) as recency
    from {{ rows_to_build(ref('stg_payments'), 'order_id') }} as events
),

-- `thing` is what may happen several times to one order; of a parcel the first counts, as in fct_orders.
tellings as (
    select
        order_id,
        'placed' as to_status,
        '' as thing,
        {{ as_placed('placed_at') }} as occurred_at,
        event_id
    from {{ rows_to_build(ref('stg_orders_placed'), 'order_id') }} as events
    union all
    select
        order_id,
        step as to_status,
        '' as thing,
        occurred_at,
        event_id
    from {{ rows_to_build(ref('stg_order_progress'), 'order_id') }} as events
    union all
    select
        order_id,
        'return_' || step as to_status,
        return_id as thing,
        occurred_at,
        event_id
    from {{ rows_to_build(ref('stg_returns'), 'order_id') }} as events
    union all
    select
        order_id,
        'refunded' as to_status,
        refund_id as thing,
        issued_at as occurred_at,
        event_id
    from {{ rows_to_build(ref('stg_refunds'), 'order_id') }} as events
),

numbered_tellings as (
    select
        *,
        row_number() over (partition by order_id, to_status, thing order by occurred_at, event_id) as telling
    from tellings
),

steps as (
    select
        order_id,
        to_status,
        occurred_at,
        event_id
    from numbered_tellings
    where telling <= 1
    union all
    select
        order_id,
        case when status = 'succeeded' then 'paid' else 'payment_failed' end as to_status,
        attempted_at as occurred_at,
        event_id
    from attempts
    where recency <= 1
),

numbered as (
    select
        steps.*,
        row_number() over (
            partition by steps.order_id
            order by steps.occurred_at, {{ status_rank('steps.to_status') }}, steps.event_id
        ) as sequence_number
    from steps
    inner join placed on steps.order_id = placed.order_id
),

sequenced as (
    select
        *,
        lag(to_status) over (partition by order_id order by sequence_number) as from_status,
        lag(occurred_at) over (partition by order_id order by sequence_number) as previous_at,
        count(*) over (partition by order_id) as steps_count
    from numbered
),

legal as (
    {{ legal_status_changes() }}
)

select
    {{ surrogate_key(['sequenced.order_id', 'sequenced.to_status', 'sequenced.event_id']) }} as transition_id,
    sequenced.order_id,
    cast(sequenced.sequence_number as integer) as sequence_number,
    sequenced.from_status,
    sequenced.to_status,
    sequenced.occurred_at,
    {{ day_in_tz('sequenced.occurred_at') }} as transition_date,
    {{ minutes_between('sequenced.previous_at', 'sequenced.occurred_at') }} as minutes_since_previous,
    {{ hours_between('sequenced.previous_at', 'sequenced.occurred_at') }} as hours_since_previous,
    case
        when sequenced.from_status is null then sequenced.to_status = 'placed'
        else legal.to_status is not null
    end as is_legal,
    sequenced.sequence_number = sequenced.steps_count as is_latest
from sequenced
left join legal on sequenced.from_status = legal.from_status and sequenced.to_status = legal.to_status
