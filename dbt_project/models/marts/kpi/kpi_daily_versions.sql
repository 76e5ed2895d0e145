{{
    config(
        materialized='incremental',
        unique_key='kpi_daily_version_id',
        full_refresh=false,
        indexes=[
            {'columns': ['date_day']},
        ],
        pre_hook=["{{ open_publication() }}"],
        tags=['hot'],
    )
}}

-- A log: what stood in kpi_daily can be read there and nowhere else, so this table is only ever added to. It is long,
-- one row per figure, because then a new figure is a new row: no column is added and nothing that was published moves.
with

measures as (
    {{ published_measures() }}
),

closed as (
    select
        days.*,
        newest.newest_day
    from {{ ref('kpi_daily') }} as days
    cross join {{ ref('int_newest_day') }} as newest
    where days.date_day < newest.newest_day
),

figures as (
    select
        closed.date_day,
        closed.currency,
        measures.measure,
        {{ figure_of('measures.measure') }} as value
    from closed
    cross join measures
),

published as (
    {% if is_incremental() %}
    select *
    from (
        select
            *,
            row_number() over (partition by date_day, currency, measure order by version desc) as recency
        from {{ this }}
    ) as versions
    where recency <= 1
    {% else %}
    select
        figures.*,
        0 as version,
        cast(null as date) as newest_day
    from figures
    where false
    {% endif %}
),

-- Days that were over at an earlier publication: what had no row in kpi_daily then was read as nothing.
reach as (
    select
        min(date_day) as first_day,
        max(newest_day) as newest_day
    from published
),

known as (
    select distinct
        date_day,
        currency
    from published
),

pairs as (
    select
        coalesce(figures.date_day, published.date_day) as date_day,
        coalesce(figures.currency, published.currency) as currency,
        coalesce(figures.measure, published.measure) as measure,
        figures.date_day is not null as is_there,
        figures.value,
        published.version,
        published.value as published_value
    from figures
    full outer join published
        on
            figures.date_day = published.date_day
            and figures.currency = published.currency
            and figures.measure = published.measure
),

compared as (
    select
        pairs.date_day,
        pairs.currency,
        pairs.measure,
        coalesce(pairs.version, 0) + 1 as version,
        case when pairs.is_there then pairs.value else measures.absent_value end as value,
        case when pairs.version is null then measures.absent_value else pairs.published_value end as previous_value,
        pairs.version is null as is_new,
        (
            pairs.version is not null
            or (
                known.date_day is null
                and pairs.date_day > reach.first_day
                and pairs.date_day < reach.newest_day
            )
        ) is true as is_restatement
    from pairs
    inner join measures on pairs.measure = measures.measure
    cross join reach
    left join known on pairs.date_day = known.date_day and pairs.currency = known.currency
)

select
    {{ surrogate_key(['compared.date_day', 'compared.currency', 'compared.measure', 'compared.version']) }}
        as kpi_daily_version_id,
    compared.date_day,
    compared.currency,
    compared.measure,
    compared.version,
    cast(compared.value as {{ figure_type() }}) as value,
    cast(case when compared.is_restatement then compared.previous_value end as {{ figure_type() }}) as previous_value,
    -- The first row of a day that was read as empty restates the figures that it changes.
    compared.is_restatement and {{ differ('compared.value', 'compared.previous_value') }} as is_restatement,
    {{ published_at() }} as published_at,
    newest.newest_day,
    {{ transaction_number(watermark_floor()) }} as landed_from,
    {{ transaction_number(watermark_ceiling()) }} as landed_below
from compared
cross join {{ ref('int_newest_day') }} as newest
where compared.is_new or {{ differ('compared.value', 'compared.previous_value') }}
