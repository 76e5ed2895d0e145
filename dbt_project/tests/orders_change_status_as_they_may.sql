{{
    config(
        severity='warn',
        store_failures=true,
        limit=1000,
        meta={'dagster': {'ref': {'name': 'fct_order_status_history'}}},
    )
}}

-- Changes of status that no order can make, for more than a week of event time: the event that would explain them is
-- lost or a dead letter. The newest event stands for "now", and one whose clock is ahead for the moment when it landed.
select
    order_id,
    sequence_number,
    from_status,
    to_status,
    occurred_at
from {{ ref('fct_order_status_history') }}
where
    not is_legal
    and occurred_at < (select newest_at - interval '7 days' from {{ ref('int_newest_day') }})
