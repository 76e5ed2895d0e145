{#- The last version of every figure of every closed day is what kpi_daily shows, a missing row counting as nothing. -#}
{% test last_version_stands(model) %}

with

measures as (
    {{ published_measures() }}
),

shown as (
    select
        days.date_day,
        days.currency,
        measures.measure,
        {{ figure_of('measures.measure') }} as value
    from {{ ref('kpi_daily') }} as days
    cross join measures
    where days.date_day < (select newest_day from {{ ref('int_newest_day') }})
),

published as (
    select
        *,
        row_number() over (partition by date_day, currency, measure order by version desc) as recency
    from {{ model }}
    -- A figure that is published no more keeps what it had.
    where measure in (select measure from measures)
),

compared as (
    select
        coalesce(shown.date_day, published.date_day) as date_day,
        coalesce(shown.currency, published.currency) as currency,
        coalesce(shown.measure, published.measure) as measure,
        shown.date_day is not null as is_shown,
        shown.value,
        published.version,
        published.value as published_value
    from shown
    full outer join (select * from published where recency <= 1) as published
        on
            shown.date_day = published.date_day
            and shown.currency = published.currency
            and shown.measure = published.measure
)

select compared.*
from compared
inner join measures on compared.measure = measures.measure
where
    compared.version is null
    or compared.published_value is distinct from
    case when compared.is_shown then compared.value else measures.absent_value end

{% endtest %}
