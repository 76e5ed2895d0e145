with

publications as (
    select
        date_day,
        min(published_at) as first_published_at,
        max(case when is_restatement then published_at end) as last_restated_at,
        count(distinct case when is_restatement then published_at end) as restatements_count
    from {{ ref('kpi_daily_versions') }}
    group by date_day
),

-- A day of which nothing is left (its events were taken back) stays for those who were told of it.
days as (
    select
        date_day,
        max(is_shown) as is_shown
    from (
        select
            date_day,
            1 as is_shown
        from {{ ref('kpi_daily') }}
        union all
        select
            date_day,
            0 as is_shown
        from publications
    ) as told
    group by date_day
),

aged as (
    select
        days.date_day,
        days.is_shown = 0 as is_empty,
        days.date_day < newest.newest_day as is_over,
        {{ days_between('days.date_day', 'newest.newest_day') }} > {{ var('final_after_days') }} as is_final
    from days
    cross join {{ ref('int_newest_day') }} as newest
)

select
    aged.date_day,
    case when aged.is_empty then 'empty' when aged.is_final then 'final' else 'provisional' end as status,
    aged.is_over,
    {{ days_after('aged.date_day', var('final_after_days') ~ ' + 1') }} as final_on,
    publications.first_published_at,
    coalesce(publications.restatements_count, 0) as restatements_count,
    publications.last_restated_at
from aged
left join publications on aged.date_day = publications.date_day
