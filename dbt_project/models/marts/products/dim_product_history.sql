{{
    config(
        materialized='incremental',
        unique_key='product_id',
        indexes=[
            {'columns': ['product_id', 'version_number']},
        ],
    )
}}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(ref('stg_product_descriptions'), 'product_id') }}
    union
    {{ touched_keys(ref('stg_product_prices'), 'product_id') }}
),
{% endif %}

told_descriptions as (
    select
        *,
        row_number() over (partition by product_id, described_at order by event_id desc) as recency
    from {{ rows_to_build(ref('stg_product_descriptions'), 'product_id') }} as events
),

descriptions as (
    select
        *,
        row_number() over (partition by product_id order by described_at) as description_number
    from told_descriptions
    where recency <= 1
),

told_prices as (
    select
        *,
        row_number() over (partition by product_id, priced_at order by event_id desc) as recency
    from {{ rows_to_build(ref('stg_product_prices'), 'product_id') }} as events
),

prices as (
    select
        *,
        row_number() over (partition by product_id order by priced_at) as price_number
    from told_prices
    where recency <= 1
),

changes as (
    select
        product_id,
        described_at as changed_at,
        1 as is_description,
        0 as is_price
    from descriptions
    union all
    select
        product_id,
        priced_at as changed_at,
        0 as is_description,
        1 as is_price
    from prices
),

instants as (
    select
        product_id,
        changed_at,
        sum(sum(is_description)) over (partition by product_id order by changed_at) as descriptions_so_far,
        sum(sum(is_price)) over (partition by product_id order by changed_at) as prices_so_far
    from changes
    group by product_id, changed_at
),

-- The first description and the first price also hold for what happened before them.
states as (
    select
        instants.product_id,
        instants.changed_at,
        descriptions.product_name,
        descriptions.brand,
        prices.price,
        prices.unit_cost,
        prices.currency,
        coalesce(descriptions.category, 'unknown') as category,
        coalesce(descriptions.subcategory, 'unknown') as subcategory,
        coalesce(descriptions.is_active, false) as is_active
    from instants
    left join descriptions
        on
            instants.product_id = descriptions.product_id
            and greatest(instants.descriptions_so_far, 1) = descriptions.description_number
    left join prices
        on
            instants.product_id = prices.product_id
            and greatest(instants.prices_so_far, 1) = prices.price_number
),

hashed as (
    select
        *,
        {{ surrogate_key(['product_name', 'category', 'subcategory', 'brand', 'is_active']) }} as description_hash,
        {{ surrogate_key(['price', 'unit_cost', 'currency']) }} as price_hash
    from states
),

compared as (
    select
        *,
        lag(description_hash) over (partition by product_id order by changed_at) as previous_description_hash,
        lag(price_hash) over (partition by product_id order by changed_at) as previous_price_hash
    from hashed
),

-- An event that repeats what holds makes no version.
versions as (
    select
        *,
        description_hash <> previous_description_hash as is_described,
        price_hash <> previous_price_hash as is_priced,
        row_number() over (partition by product_id order by changed_at) as version_number,
        lead(changed_at) over (partition by product_id order by changed_at) as next_changed_at
    from compared
    where
        previous_description_hash is null
        or description_hash <> previous_description_hash
        or price_hash <> previous_price_hash
)

select
    {{ surrogate_key(['product_id', 'changed_at']) }} as product_history_id,
    product_id,
    cast(version_number as integer) as version_number,
    changed_at,
    case when version_number > 1 then changed_at end as valid_from,
    next_changed_at as valid_to,
    next_changed_at is null as is_current,
    product_name as name,
    category,
    subcategory,
    brand,
    is_active,
    price,
    unit_cost,
    currency,
    case
        when version_number = 1 then 'first'
        when is_described and is_priced then 'description_and_price'
        when is_described then 'description'
        else 'price'
    end as change_kind
from versions
