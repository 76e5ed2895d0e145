"""The marts the dashboard reads, made by hand and filled with a plausible shop: for tests without dbt."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

import psycopg

from dashboard.data.queries import COLUMNS
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

CENT = Decimal("0.01")
CHANNELS = {
    "organic_search": 0.27,
    "direct": 0.22,
    "paid_search": 0.19,
    "email": 0.13,
    "social": 0.10,
    "affiliate": 0.06,
    "referral": 0.03,
}
CATEGORIES = {
    "Electronics": 0.31,
    "Home & Kitchen": 0.22,
    "Fashion": 0.18,
    "Sports": 0.13,
    "Beauty": 0.10,
    "Toys": 0.06,
}
SUBJECTS = ("customers", "inventory", "marketing", "orders", "products", "returns", "web")

_TYPES = {"date_day": "date", "max_event_time": "timestamptz", "max_ingested_at": "timestamptz"}
_TYPES |= {"status": "text", "last_restated_at": "timestamptz"}


def _type(column: str) -> str:
    if column.endswith("_amount"):
        return "numeric(24, 2)"
    if column in {"currency", "channel", "category", "subject"}:
        return "text"
    return _TYPES.get(column, "bigint")


def create(settings: Settings) -> None:
    """Create the marts, empty, as dbt would: owned by and only writable for the transform role."""
    with connect(settings, Role.TRANSFORM) as connection:
        for table, columns in COLUMNS.items():
            spelled = ", ".join(f"{column} {_type(column)}" for column in columns)
            connection.execute(f"create table marts.{table} ({spelled})")


def drop(settings: Settings) -> None:
    with connect(settings, Role.TRANSFORM) as connection:
        for table in COLUMNS:
            connection.execute(f"drop table if exists marts.{table}")
        connection.execute("delete from ops.model_watermarks where model like 'marts.%'")


def seed(settings: Settings, last_day: date, as_of: datetime, *, days: int = 400, currency: str = "EUR") -> None:
    """Fill the marts with ``days`` days up to ``last_day``, the same ones for the same arguments."""
    shop = random.Random(7)
    daily, channels, categories = [], [], []
    for back in range(days - 1, -1, -1):
        day = last_day - timedelta(days=back)
        season = 1 + 0.0016 * (days - back) + (0.18 if day.weekday() >= 5 else 0) + (0.5 if day.month == 11 else 0)
        sessions_of_day = 1500 * season * shop.uniform(0.9, 1.1)
        parts = []
        for channel, weight in CHANNELS.items():
            sessions = int(sessions_of_day * weight * shop.uniform(0.85, 1.15))
            orders = int(sessions * shop.uniform(0.024, 0.034))
            gross = sum((Decimal(shop.randrange(1500, 14000)) * CENT for _ in range(orders)), Decimal())
            discount = (gross * Decimal(shop.uniform(0.03, 0.08))).quantize(CENT)
            refund = (gross * Decimal(shop.uniform(0.02, 0.07))).quantize(CENT)
            new = int(orders * shop.uniform(0.4, 0.6))
            parts.append((orders, gross, discount, refund, sessions, new))
            net = gross - discount - refund
            channels.append((day, currency, channel, orders, gross, discount, refund, net))
        orders, gross, discount, refund, sessions, new = (sum(column) for column in zip(*parts, strict=True))
        row = (day, currency, orders, gross, discount, refund, gross - discount - refund)
        daily.append((*row, sessions, orders, new, orders - new))
        left = [gross, discount, refund]
        for index, (category, weight) in enumerate(CATEGORIES.items()):
            last = index == len(CATEGORIES) - 1
            skew = Decimal(weight * shop.uniform(0.9, 1.1))
            share = left if last else [(amount * skew).quantize(CENT) for amount in (gross, discount, refund)]
            left = [have - taken for have, taken in zip(left, share, strict=True)]
            units = int(orders * 1.7 * weight)
            categories.append((day, currency, category, units, *share, share[0] - share[1] - share[2]))
    fresh = [(subject, 40_000 + 7 * index, index, as_of, as_of) for index, subject in enumerate(SUBJECTS)]
    with connect(settings, Role.TRANSFORM) as connection:
        _copy(connection, "kpi_daily", daily)
        _copy(connection, "kpi_daily_by_channel", channels)
        _copy(connection, "kpi_daily_by_category", categories)
        if connection.execute("select 1 from marts.kpi_day_status").fetchone() is None:
            _copy(connection, "kpi_day_status", _statuses(last_day, days, as_of))
        if connection.execute("select 1 from marts.data_freshness").fetchone() is None:
            _copy(connection, "data_freshness", fresh)
        stamp(connection)


def _statuses(last_day: date, days: int, as_of: datetime) -> list[tuple]:
    """The last eight days are provisional; two of them were corrected after they were over, and one before."""
    corrected = {3: 1, 5: 4, 10: 1}
    return [
        (
            last_day - timedelta(days=back),
            "provisional" if back <= 7 else "final",
            corrected.get(back, 0),
            as_of if back in corrected else None,
        )
        for back in range(days)
    ]


def stamp(connection: psycopg.Connection) -> None:
    """Write the watermark rows as a finished transformation does: this is what the dashboard looks at."""
    for table in COLUMNS:
        connection.execute(
            "insert into ops.model_watermarks (model, ceiling, invocation_id) values (%s, pg_current_xact_id(), 'test')"
            " on conflict (model) do update set ceiling = excluded.ceiling, built_at = clock_timestamp()",
            [f"marts.{table}"],
        )


def sell(settings: Settings, day: date, amount: Decimal, as_of: datetime) -> None:
    """Add one order of ``amount`` (no discount) by a new customer through channel ``direct``, and stamp."""
    with connect(settings, Role.TRANSFORM) as connection:
        connection.execute(
            "update marts.kpi_daily set orders_count = orders_count + 1, gross_amount = gross_amount + %(amount)s,"
            " net_amount = net_amount + %(amount)s, new_customers = new_customers + 1 where date_day = %(day)s",
            {"amount": amount, "day": day},
        )
        connection.execute(
            "update marts.kpi_daily_by_channel set orders_count = orders_count + 1,"
            " gross_amount = gross_amount + %(amount)s, net_amount = net_amount + %(amount)s"
            " where date_day = %(day)s and channel = 'direct'",
            {"amount": amount, "day": day},
        )
        connection.execute("update marts.data_freshness set max_event_time = %s", [as_of])
        stamp(connection)


def _copy(connection: psycopg.Connection, table: str, rows: list[tuple]) -> None:
    columns = ", ".join(COLUMNS[table])
    with connection.cursor().copy(f"copy marts.{table} ({columns}) from stdin") as copy:
        for row in rows:
            copy.write_row(row)
