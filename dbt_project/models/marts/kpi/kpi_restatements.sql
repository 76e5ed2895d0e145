with

changes as (
    select * from {{ ref('kpi_daily_versions') }}
    where is_restatement
),

causes as (
    {{ causes_of_figures() }}
),

windows as (
    select distinct landed_below from changes
),

-- Each late event belongs to the publication that followed its landing: the one with the lowest end above it. A window
-- function over both, because a join by "between" compares each with each.
placed as (
    select
        steps.late_events_id,
        min(steps.landed_below) over (
            order by steps.position desc, steps.kind asc
            rows between unbounded preceding and current row
        ) as landed_below
    from (
        select
            late_events_id,
            landed_by as position,
            0 as kind,
            cast(null as bigint) as landed_below
        from {{ ref('fct_late_events') }}
        union all
        select
            cast(null as text) as late_events_id,
            landed_below as position,
            1 as kind,
            landed_below
        from windows
    ) as steps
),

late as (
    select
        events.*,
        placed.landed_below
    from {{ ref('fct_late_events') }} as events
    inner join placed on events.late_events_id = placed.late_events_id
    where placed.landed_below is not null
),

on_the_day as (
    select
        changes.kpi_daily_version_id,
        late.event_type,
        late.events_count,
        late.sample_event_ids,
        late.max_lateness_hours,
        row_number() over (
            partition by changes.kpi_daily_version_id order by late.event_type, late.landed_by, late.late_events_id
        ) as place
    from changes
    inner join causes on changes.measure = causes.measure
    inner join late
        on
            changes.date_day = late.date_day
            and changes.landed_below = late.landed_below
            and causes.event_type = late.event_type
    where
        late.landed_by >= changes.landed_from
        and coalesce(late.currency, changes.currency) = changes.currency
),

counted as (
    select
        kpi_daily_version_id,
        event_type,
        sum(events_count) as events_count,
        max(max_lateness_hours) as max_lateness_hours,
        {{ list_of('case when place <= 3 then sample_event_ids end', 'place') }} as sample_event_ids
    from on_the_day
    group by kpi_daily_version_id, event_type
),

explained as (
    select
        kpi_daily_version_id,
        sum(events_count) as late_events_count,
        max(max_lateness_hours) as max_lateness_hours,
        {{ list_of("event_type || ': ' || events_count", 'event_type') }} as reason,
        {{ list_of('sample_event_ids', 'event_type') }} as sample_event_ids
    from counted
    group by kpi_daily_version_id
),

-- A figure may depend on other days: which order is a customer's first is decided over all of them.
types_elsewhere as (
    select distinct
        landed_below,
        event_type
    from late
),

elsewhere as (
    select
        changes.kpi_daily_version_id,
        {{ list_of('types_elsewhere.event_type', 'types_elsewhere.event_type') }} as reason
    from changes
    inner join causes on changes.measure = causes.measure
    inner join types_elsewhere
        on changes.landed_below = types_elsewhere.landed_below and causes.event_type = types_elsewhere.event_type
    group by changes.kpi_daily_version_id
)

select
    changes.kpi_daily_version_id as kpi_restatement_id,
    changes.date_day,
    changes.currency,
    changes.measure,
    changes.version,
    changes.previous_value as old_value,
    changes.value as new_value,
    cast(changes.value - changes.previous_value as {{ figure_type() }}) as value_change,
    changes.published_at as restated_at,
    {{ days_between('changes.date_day', 'changes.newest_day') }} > {{ var('final_after_days') }} as was_final,
    cast(coalesce(explained.late_events_count, 0) as bigint) as late_events_count,
    explained.max_lateness_hours,
    case
        when explained.reason is not null then explained.reason
        when elsewhere.reason is not null then 'late for other days: ' || elsewhere.reason
        else 'no late event: a definition, reference data or a correction'
    end as reason,
    explained.sample_event_ids
from changes
left join explained on changes.kpi_daily_version_id = explained.kpi_daily_version_id
left join elsewhere on changes.kpi_daily_version_id = elsewhere.kpi_daily_version_id
