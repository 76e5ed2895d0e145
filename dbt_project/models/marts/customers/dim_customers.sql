{{
    config(
        indexes=[
            {'columns': ['cohort_month']},
        ],
    )
}}

with

ranked as (
    select
        *,
        row_number() over (partition by customer_id order by changed_at desc, event_id desc) as recency,
        count(*) over (partition by customer_id, changed_at) as tellings
    from {{ ref('stg_customer_states') }}
),

states as (
    select * from ranked
    where recency <= 1
),

-- The newest state stands; of two that are told of the same moment nobody knows which is newer.
told_differently as (
    select distinct customer_id
    from (
        {{
            told_differently('ranked', ['customer_id', 'changed_at'],
                ['country', 'region', 'city', 'locale', 'has_marketing_consent'])
        }}
    ) as moments
),

creations as (
    select
        customer_id,
        min(changed_at) as created_at,
        -- An update does not repeat by which channel the customer once came.
        min(acquisition_channel) as acquisition_channel
    from {{ ref('stg_customer_states') }}
    where is_creation
    group by customer_id
),

erasures as (
    select distinct customer_id from {{ ref('stg_customer_erasures') }}
),

-- Whoever ordered is a customer, even when the account's own event is late or dead.
customers as (
    select customer_id from states
    union
    select customer_id from erasures
    union
    select customer_id from {{ ref('fct_orders') }}
)

select
    customers.customer_id,
    states.country,
    case when erasures.customer_id is null then states.region end as region,
    case when erasures.customer_id is null then states.city end as city,
    case when erasures.customer_id is null then states.locale end as locale,
    creations.acquisition_channel,
    coalesce(erasures.customer_id is null and states.has_marketing_consent, false) as marketing_consent,
    erasures.customer_id is not null as is_erased,
    creations.customer_id is null as is_inferred,
    case when erasures.customer_id is null then creations.created_at end as created_at,
    case when erasures.customer_id is null then lifetimes.first_order_at end as first_order_at,
    case when erasures.customer_id is null then lifetimes.last_order_at end as last_order_at,
    case when erasures.customer_id is null then lifetimes.first_order_date end as first_order_date,
    case when erasures.customer_id is null then lifetimes.last_order_date end as last_order_date,
    coalesce(lifetimes.orders_count, 0) as orders_count,
    lifetimes.currency,
    {{ money('case when lifetimes.customer_id is null then 0 else lifetimes.gross_amount end') }} as gross_amount,
    {{ money('case when lifetimes.customer_id is null then 0 else lifetimes.net_amount end') }} as net_amount,
    {{ money('case when lifetimes.customer_id is null then 0 else lifetimes.gross_amount end') }} as ltv_gross_amount,
    {{ money('case when lifetimes.customer_id is null then 0 else lifetimes.net_amount end') }} as ltv_net_amount,
    {{
        money(rounded_in('lifetimes.ordered_net_amount / nullif(lifetimes.orders_count, 0)', 'lifetimes.currency'))
    }} as average_order_value,
    {{ money('coalesce(lifetimes.costed_revenue_amount, 0)') }} as costed_revenue_amount,
    {{ money('coalesce(lifetimes.cost_amount, 0)') }} as cost_amount,
    {{ money('coalesce(lifetimes.costed_revenue_amount - lifetimes.cost_amount, 0)') }} as margin_amount,
    case
        when erasures.customer_id is null
            then
                {{
                    ratio(
                        days_between('lifetimes.first_order_date', 'lifetimes.last_order_date'),
                        'lifetimes.orders_count - 1'
                    )
                }}
    end as days_between_orders,
    scores.recency_days,
    scores.rfm_recency,
    scores.rfm_frequency,
    scores.rfm_monetary,
    scores.rfm_segment,
    -- A month is no finer than the sums, and a cohort must not shrink when one of it asks to be forgotten.
    {{ month_start('lifetimes.first_order_date') }} as cohort_month,
    told_differently.customer_id is not null as has_contradicting_events
from customers
left join states on customers.customer_id = states.customer_id
left join creations on customers.customer_id = creations.customer_id
left join told_differently on customers.customer_id = told_differently.customer_id
left join erasures on customers.customer_id = erasures.customer_id
left join {{ ref('int_customer_lifetimes') }} as lifetimes on customers.customer_id = lifetimes.customer_id
left join {{ ref('int_customer_scores') }} as scores on customers.customer_id = scores.customer_id
