"""How the business board measures sales over the days of its range."""

from __future__ import annotations

IN_RANGE = (
    "date_day between $__timeFrom()::timestamptz::date and $__timeTo()::timestamptz::date "
    "and currency = ${currency:sqlstring}"
)
# The headline ratios, from sums: an average of daily ratios would weigh a quiet day like a busy one.
AOV = "sum(gross_amount - discount_amount) / nullif(sum(orders_count), 0)"
CONVERSION = "sum(converting_sessions_count)::numeric / nullif(sum(sessions_count), 0)"
REFUND_RATE = "sum(refund_amount) / nullif(sum(gross_amount - discount_amount), 0)"
REPEAT_RATE = "sum(repeat_customer_orders)::numeric / nullif(sum(orders_count), 0)"
# One point a day, however short the range.
DAY = "1d"
