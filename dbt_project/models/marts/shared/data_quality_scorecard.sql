with

-- The newest event that each partition had told before a batch: what is an hour older came late.
batches as (
    select
        *,
        max(max_event_time) over (
            partition by topic_id, subject, topic_partition
            order by incarnation, first_offset
            rows between unbounded preceding and 1 preceding
        ) as newest_before
    from {{ ref('stg_ingest_ledger') }}
),

days as (
    select
        subject,
        {{ day_in_tz('committed_at') }} as landing_date,
        count(*) as batches_count,
        sum(messages) as messages_count,
        sum(landed) as landed_count,
        sum(duplicates) as duplicates_count,
        sum(dead) as dead_letters_count,
        sum(case when min_event_time < newest_before - interval '1 hour' then 1 else 0 end) as late_batches_count
    from batches
    group by subject, {{ day_in_tz('committed_at') }}
),

rates as (
    select
        *,
        {{ ratio('duplicates_count', 'messages_count') }} as duplicate_rate,
        {{ ratio('dead_letters_count', 'messages_count') }} as dead_letter_rate,
        {{ ratio('late_batches_count', 'batches_count') }} as late_batch_rate
    from days
)

select
    {{ surrogate_key(['subject', 'landing_date']) }} as data_quality_scorecard_id,
    subject,
    landing_date,
    cast(batches_count as bigint) as batches_count,
    cast(messages_count as bigint) as messages_count,
    cast(landed_count as bigint) as landed_count,
    cast(duplicates_count as bigint) as duplicates_count,
    cast(dead_letters_count as bigint) as dead_letters_count,
    cast(late_batches_count as bigint) as late_batches_count,
    duplicate_rate,
    dead_letter_rate,
    late_batch_rate,
    cast(
        100
        - least(60, 1000 * coalesce(dead_letter_rate, 0))
        - least(20, 100 * coalesce(duplicate_rate, 0))
        - least(20, 20 * coalesce(late_batch_rate, 0)) as numeric(5, 2)
    ) as score
from rates
