{{
    config(
        materialized='incremental',
        unique_key='order_id',
        indexes=[
            {'columns': ['customer_id']},
            {'columns': ['order_date']},
        ],
        tags=['hot'],
        meta={'day_column': 'order_date'},
    )
}}

-- Named here because dbt does not look into a conditional block for what a model reads.
-- depends_on: {{ ref('stg_orders_placed') }}
-- depends_on: {{ ref('stg_order_progress') }}
with

{% if is_incremental() %}
touched_orders as (
    {{ touched_keys(ref('stg_orders_placed'), 'order_id') }}
    union
    {{ touched_keys(ref('stg_order_progress'), 'order_id') }}
),

-- An order that turns out to be another customer's leaves a gap with the one who seemed to have placed it.
touched as (
    select sold.customer_id from {{ rows_of_keys(ref('fct_orders'), 'order_id', 'touched_orders') }} as sold
    union
    select known.customer_id from {{ rows_of_keys(this, 'order_id', 'touched_orders') }} as known
),
{% endif %}

orders as (
    select
        order_id,
        customer_id,
        ordered_at,
        order_date,
        currency,
        is_cancelled,
        row_number() over (partition by customer_id, is_cancelled order by ordered_at, order_id) as place,
        lag(ordered_at)
            over (partition by customer_id, is_cancelled order by ordered_at, order_id) as previous_ordered_at
    from {{ rows_to_build(ref('fct_orders'), 'customer_id') }} as events
)

select
    order_id,
    customer_id,
    ordered_at,
    order_date,
    currency,
    not is_cancelled as is_counted,
    case when not is_cancelled then place end as customer_order_number,
    not is_cancelled and place = 1 as is_first_order,
    case when not is_cancelled then previous_ordered_at end as previous_ordered_at
from orders
