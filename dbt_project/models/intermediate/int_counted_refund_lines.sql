with

-- Of a refund that was told twice, the lines of the first telling: the same one that fct_refunds shows.
ranked as (
    select
        refund_id,
        line_position,
        order_id,
        line_number,
        amount,
        rank() over (partition by order_id, refund_id order by issued_at, event_id) as telling
    from {{ ref('stg_refund_lines') }}
),

-- A shop that repeats a line number within an order must not double the refund.
ordered_lines as (
    select
        order_id,
        line_number,
        min(category) as category
    from {{ ref('fct_order_lines') }}
    group by order_id, line_number
)

select
    ranked.refund_id,
    ranked.line_position,
    refunds.order_id,
    refunds.refund_date,
    refunds.currency,
    coalesce(ordered_lines.category, 'unknown') as category,
    ranked.amount
from ranked
inner join {{ ref('int_counted_refunds') }} as refunds
    on ranked.refund_id = refunds.refund_id and ranked.order_id = refunds.order_id
left join ordered_lines on ranked.order_id = ordered_lines.order_id and ranked.line_number = ordered_lines.line_number
where ranked.telling <= 1
