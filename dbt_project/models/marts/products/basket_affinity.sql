{{
    config(
        indexes=[
            {'columns': ['product_a_id']},
            {'columns': ['product_b_id']},
        ],
        tags=['nightly'],
    )
}}

with

baskets as (
    select
        order_id,
        product_id
    from {{ ref('int_basket_products') }}
),

singles as (
    select
        product_id,
        count(*) as orders_count
    from baskets
    group by product_id
    having count(*) >= {{ var('basket_minimum_count', 3) }}
),

-- A pair is never more frequent than its rarer product: whatever is too rare alone makes no pair.
candidates as (
    select
        baskets.order_id,
        baskets.product_id
    from baskets
    inner join singles on baskets.product_id = singles.product_id
),

pairs as (
    select
        a.product_id as product_a_id,
        b.product_id as product_b_id,
        count(*) as orders_with_both
    from candidates as a
    inner join candidates as b on a.order_id = b.order_id and a.product_id < b.product_id
    group by a.product_id, b.product_id
    having count(*) >= {{ var('basket_minimum_count', 3) }}
),

totals as (
    select count(distinct order_id) as orders_total from baskets
)

select
    {{ surrogate_key(['pairs.product_a_id', 'pairs.product_b_id']) }} as basket_affinity_id,
    pairs.product_a_id,
    pairs.product_b_id,
    a.orders_count as orders_with_a,
    b.orders_count as orders_with_b,
    pairs.orders_with_both,
    totals.orders_total,
    {{ ratio('pairs.orders_with_both', 'totals.orders_total') }} as support,
    {{ ratio('pairs.orders_with_both', 'a.orders_count') }} as confidence_a_to_b,
    {{ ratio('pairs.orders_with_both', 'b.orders_count') }} as confidence_b_to_a,
    {{
        ratio(
            'cast(pairs.orders_with_both as numeric) * totals.orders_total',
            'cast(a.orders_count as numeric) * b.orders_count'
        )
    }} as lift
from pairs
inner join singles as a on pairs.product_a_id = a.product_id
inner join singles as b on pairs.product_b_id = b.product_id
cross join totals
