"""Every SQL statement of the dashboard: marts and ops only, one function each, rows out.

Only additive measures are summed. Distinct customers are not additive and are never read here.
"""

from __future__ import annotations

from datetime import date
from typing import Any, LiteralString

from dashboard.data.periods import Period
from dashboard.data.pool import Warehouse
from dashboard.data.rows import Correction, Coverage, Day, Reconciled, SplitRow, SubjectFreshness

# The columns read, by table: the tests compare them with the dbt project.
COLUMNS: dict[str, tuple[str, ...]] = {
    "kpi_daily": (
        "date_day",
        "currency",
        "orders_count",
        "gross_amount",
        "discount_amount",
        "refund_amount",
        "net_amount",
        "sessions_count",
        "converting_sessions_count",
        "new_customers",
        "repeat_customer_orders",
    ),
    "kpi_daily_by_channel": (
        "date_day",
        "currency",
        "channel",
        "orders_count",
        "gross_amount",
        "discount_amount",
        "refund_amount",
        "net_amount",
    ),
    "kpi_daily_by_category": (
        "date_day",
        "currency",
        "category",
        "units",
        "gross_amount",
        "discount_amount",
        "refund_amount",
        "net_amount",
    ),
    "kpi_day_status": ("date_day", "status", "restatements_count", "last_restated_at"),
    "data_freshness": ("subject", "events_count", "dead_letters_count", "max_event_time", "max_ingested_at"),
}

_VERSION: LiteralString = """
    select md5(coalesce(string_agg(model || '=' || ceiling::text, ',' order by model), '')) as version
    from ops.model_watermarks
    where model = any(%(models)s)
"""

# A clock that was wrong puts an order centuries away; such a day stands in the mart and is no day to show.
_COVERAGE: LiteralString = """
    select currency, min(date_day) as first_day, max(date_day) as last_day
    from marts.kpi_daily
    where date_day between date '2000-01-01' and current_date + 1
    group by currency
    order by sum(orders_count) desc, currency
"""

_PROVISIONAL: LiteralString = """
    select min(date_day) as since from marts.kpi_day_status where status = 'provisional'
"""

_CORRECTIONS: LiteralString = """
    select date_day as day, restatements_count as times, last_restated_at as last_at
    from marts.kpi_day_status
    where date_day between %(start)s and %(end)s and restatements_count > 0
    order by date_day
"""

_DAYS: LiteralString = """
    select
        date_day as day,
        sum(orders_count)::bigint as orders,
        sum(gross_amount) as gross,
        sum(discount_amount) as discount,
        sum(refund_amount) as refund,
        sum(net_amount) as net,
        sum(sessions_count)::bigint as sessions,
        sum(converting_sessions_count)::bigint as converting_sessions,
        sum(new_customers)::bigint as new_customers,
        sum(repeat_customer_orders)::bigint as repeat_orders
    from marts.kpi_daily
    where date_day between %(start)s and %(end)s and currency = %(currency)s
    group by date_day
    order by date_day
"""

_CHANNELS: LiteralString = """
    select
        coalesce(channel, 'unknown') as name,
        coalesce(sum(orders_count) filter (where date_day >= %(start)s), 0)::bigint as volume,
        coalesce(sum(gross_amount) filter (where date_day >= %(start)s), 0) as gross,
        coalesce(sum(discount_amount) filter (where date_day >= %(start)s), 0) as discount,
        coalesce(sum(refund_amount) filter (where date_day >= %(start)s), 0) as refund,
        coalesce(sum(net_amount) filter (where date_day >= %(start)s), 0) as net,
        coalesce(sum(net_amount) filter (where date_day < %(start)s), 0) as previous_net
    from marts.kpi_daily_by_channel
    where date_day between %(from_day)s and %(end)s and currency = %(currency)s
    group by 1
    order by net desc, name
"""

_CATEGORIES: LiteralString = """
    select
        coalesce(category, 'unknown') as name,
        coalesce(sum(units) filter (where date_day >= %(start)s), 0)::bigint as volume,
        coalesce(sum(gross_amount) filter (where date_day >= %(start)s), 0) as gross,
        coalesce(sum(discount_amount) filter (where date_day >= %(start)s), 0) as discount,
        coalesce(sum(refund_amount) filter (where date_day >= %(start)s), 0) as refund,
        coalesce(sum(net_amount) filter (where date_day >= %(start)s), 0) as net,
        coalesce(sum(net_amount) filter (where date_day < %(start)s), 0) as previous_net
    from marts.kpi_daily_by_category
    where date_day between %(from_day)s and %(end)s and currency = %(currency)s
    group by 1
    order by net desc, name
"""

_FRESHNESS: LiteralString = """
    select
        subject,
        events_count as events,
        dead_letters_count as dead_letters,
        max_event_time as latest_event,
        max_ingested_at as latest_ingest
    from marts.data_freshness
    order by subject
"""

_RECONCILED: LiteralString = """
    select checked_at, holds, coalesce(hours_off, 0) as hours_off
    from ops.reconciliations
    order by reconciliation_id desc
    limit 1
"""


def version(warehouse: Warehouse) -> str:
    """Return a token that changes whenever one of the marts read here was built anew."""
    models = [f"marts.{table}" for table in COLUMNS]
    return str(warehouse.query(_VERSION, {"models": models})[0]["version"])


def coverage(warehouse: Warehouse) -> Coverage | None:
    """Return which days and currencies there are, ``None`` for an empty mart."""
    rows = warehouse.query(_COVERAGE)
    if not rows:
        return None
    return Coverage(
        first_day=min(row["first_day"] for row in rows),
        last_day=max(row["last_day"] for row in rows),
        currencies=tuple(row["currency"] for row in rows),
        provisional_from=warehouse.query(_PROVISIONAL)[0]["since"],
    )


def corrections(warehouse: Warehouse, start: date, end: date) -> list[Correction]:
    """Return the days from ``start`` to ``end`` of which a published figure changed, in order."""
    return [Correction(**row) for row in warehouse.query(_CORRECTIONS, {"start": start, "end": end})]


def days(warehouse: Warehouse, start: date, end: date, currency: str) -> list[Day]:
    """Return the days from ``start`` to ``end`` that have a row, in order."""
    parameters = {"start": start, "end": end, "currency": currency}
    return [Day(**row) for row in warehouse.query(_DAYS, parameters)]


def channels(warehouse: Warehouse, period: Period, compared: Period | None, currency: str) -> list[SplitRow]:
    """Return each channel's money, biggest net first."""
    return [SplitRow(**row) for row in warehouse.query(_CHANNELS, _split(period, compared, currency))]


def categories(warehouse: Warehouse, period: Period, compared: Period | None, currency: str) -> list[SplitRow]:
    """Return each category's money, biggest net first."""
    return [SplitRow(**row) for row in warehouse.query(_CATEGORIES, _split(period, compared, currency))]


def freshness(warehouse: Warehouse) -> list[SubjectFreshness]:
    """Return how far the marts have come, one row per subject."""
    return [SubjectFreshness(**row) for row in warehouse.query(_FRESHNESS)]


def reconciled(warehouse: Warehouse) -> Reconciled | None:
    """Return the last reconciliation, ``None`` when there was none yet."""
    rows = warehouse.query(_RECONCILED)
    return Reconciled(**rows[0]) if rows else None


def shop_tz(warehouse: Warehouse) -> str | None:
    """Return the zone by whose midnights the marts were cut into days, ``None`` before the first build."""
    rows = warehouse.query("select shop_tz from ops.warehouse_identity")
    return str(rows[0]["shop_tz"]) if rows else None


def ping(warehouse: Warehouse) -> None:
    """Raise when the warehouse does not answer."""
    warehouse.query("select 1 as one")


def _split(period: Period, compared: Period | None, currency: str) -> dict[str, Any]:
    from_day = compared.start if compared is not None else period.start
    return {"start": period.start, "end": period.end, "from_day": from_day, "currency": currency}
