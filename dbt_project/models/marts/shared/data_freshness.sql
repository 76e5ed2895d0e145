{{ config(tags=['hot']) }}

with

subjects as (
    {% for subject in ['customers', 'products', 'inventory', 'web', 'orders', 'returns', 'marketing'] -%}
    select '{{ subject }}' as subject
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

batches as (
    select
        subject,
        sum(landed) as events_count,
        sum(dead) as dead_letters_count,
        max(max_event_time) as max_event_time,
        max(committed_at) as max_ingested_at
    from {{ ref('stg_ingest_batches') }}
    group by subject
)

select
    subjects.subject,
    cast(coalesce(batches.events_count, 0) as bigint) as events_count,
    cast(coalesce(batches.dead_letters_count, 0) as bigint) as dead_letters_count,
    batches.max_event_time,
    batches.max_ingested_at
from subjects
left join batches on subjects.subject = batches.subject
