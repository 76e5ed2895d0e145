"""The business board: what the shop sells, to whom, by which way, and what comes back.

Days are the shop's business days: ``date_day`` of the marts. Range and "today" are turned into days in the time zone
of the database session, which the role of Grafana has set to the shop's.
"""

# ruff: noqa: S608 - every part of these queries is a constant of this package.
from __future__ import annotations

from grafana.business_corrections import CORRECTIONS
from grafana.business_splits import SPLIT, WEEKS
from grafana.model import Board, Panel, Section, Variable
from grafana.panels import GREEN, RED, YELLOW, column, stat, steps, timeseries
from grafana.sales_measures import AOV, CONVERSION, DAY, IN_RANGE, REFUND_RATE, REPEAT_RATE


def _today(title: str, description: str, unit: str, measure: str, *, width: int, decimals: int | None = None) -> Panel:
    """Return today's figure beside the same weekday a week before."""
    return stat(
        title,
        f"{description} Beside it the whole same weekday of last week.",
        unit,
        f"""
        select coalesce((select {measure} from marts.kpi_daily
                         where date_day = current_date and currency = ${{currency:sqlstring}}), 0) as "today",
               coalesce((select {measure} from marts.kpi_daily
                         where date_day = current_date - 7 and currency = ${{currency:sqlstring}}), 0) as "a week ago"
        """,
        width=width,
        decimals=decimals,
        overrides=(column("a week ago", thresholds=steps("text")),),
    )


def _daily(measures: str) -> str:
    return f"""
        select date_day::timestamptz as "time", {measures}
        from marts.kpi_daily
        where {IN_RANGE}
        group by date_day
        order by 1
        """


_TODAY = Section(
    "Today",
    (
        (
            stat(
                "Data as of",
                "Time of the newest event that the marts contain.",
                "dateTimeAsLocal",
                "select extract(epoch from max(max_event_time)) * 1000 as data_as_of from marts.data_freshness",
                width=4,
            ),
            _today(
                "Net revenue (${currency})",
                "Gross minus discounts minus refunds booked today.",
                "short",
                "sum(net_amount)",
                width=5,
            ),
            _today(
                "Gross revenue (${currency})",
                "Before discounts and refunds.",
                "short",
                "sum(gross_amount)",
                width=5,
            ),
            _today(
                "Orders",
                "Orders placed today that were not cancelled.",
                "short",
                "sum(orders_count)",
                width=5,
            ),
            _today(
                "Conversion",
                "Share of today's sessions that ordered.",
                "percentunit",
                CONVERSION,
                width=5,
                decimals=2,
            ),
        ),
    ),
    heights=(4,),
)

_RANGE = Section(
    "In the range",
    (
        (
            stat(
                "Revenue (${currency})",
                "Net and gross revenue of the business days in the range.",
                "short",
                f"""
                select sum(net_amount) as net, sum(gross_amount) as gross
                from marts.kpi_daily
                where {IN_RANGE}
                """,
                width=6,
            ),
            stat(
                "Orders",
                "Orders that were not cancelled, and those that were.",
                "short",
                f"""
                select sum(orders_count) as orders, sum(cancelled_orders_count) as cancelled
                from marts.kpi_daily
                where {IN_RANGE}
                """,
                width=6,
                overrides=(column("cancelled", thresholds=steps("text")),),
            ),
            stat(
                "Average order value (${currency})",
                "(Gross minus discounts) per order.",
                "short",
                f"select {AOV} as average_order_value from marts.kpi_daily where {IN_RANGE}",
                width=4,
                decimals=2,
            ),
            stat(
                "Repeat rate",
                "Share of the orders that came from customers who had ordered before.",
                "percentunit",
                f"select {REPEAT_RATE} as repeat_rate from marts.kpi_daily where {IN_RANGE}",
                width=4,
                decimals=1,
            ),
            stat(
                "Refund rate",
                "Refunds booked in the range, as a share of gross minus discounts.",
                "percentunit",
                f"select {REFUND_RATE} as refund_rate from marts.kpi_daily where {IN_RANGE}",
                width=4,
                decimals=1,
                thresholds=steps(GREEN, (0.1, YELLOW), (0.2, RED)),
            ),
        ),
        (
            timeseries(
                "Revenue per day (${currency})",
                "Gross and net revenue per business day, and the net revenue seven days before each day.",
                "short",
                _daily("sum(gross_amount) as gross, sum(net_amount) as net"),
                f"""
                select (date_day + 7)::timestamptz as "time", sum(net_amount) as "net a week before"
                from marts.kpi_daily
                where {IN_RANGE.replace("date_day", "date_day + 7")}
                group by date_day
                order by 1
                """,
                min_interval=DAY,
                overrides=(
                    column(
                        "net a week before",
                        custom__lineStyle={"fill": "dash", "dash": [8, 8]},
                        custom__fillOpacity=0,
                    ),
                ),
            ),
            timeseries(
                "Orders per day, new and repeat",
                "Orders of customers who bought for the first time, and of those who came back.",
                "short",
                _daily("sum(new_customer_orders) as new, sum(repeat_customer_orders) as repeat"),
                style="bars",
                stacked=True,
                min_interval=DAY,
            ),
        ),
        (
            timeseries(
                "Average order value per day (${currency})",
                "(Gross minus discounts) per order.",
                "short",
                _daily(f"{AOV} as average_order_value"),
                width=8,
                min_interval=DAY,
            ),
            timeseries(
                "Conversion per day",
                "Share of the sessions that ordered.",
                "percentunit",
                _daily(f"{CONVERSION} as conversion"),
                width=8,
                min_interval=DAY,
            ),
            timeseries(
                "Refund rate per day",
                "Refunds booked on the day, as a share of its gross minus discounts.",
                "percentunit",
                _daily(f"{REFUND_RATE} as refund_rate"),
                width=8,
                min_interval=DAY,
            ),
        ),
    ),
    heights=(4, 9, 7),
)

BOARD = Board(
    uid="shop-business",
    title="Shop business",
    description="What the shop sells, to whom, by which way, and what comes back.",
    sections=(_TODAY, _RANGE, SPLIT, WEEKS, CORRECTIONS),
    time_from="now-30d",
    refresh="1m",
    variables=(
        Variable(
            "currency",
            "Currency",
            "Amounts of different currencies are never added up: one at a time.",
            sql="select distinct currency from marts.kpi_daily order by 1",
        ),
    ),
)
