"""The parts of the business board that split sales by channel, category, product, step and week."""

# ruff: noqa: S608 - every part of these queries is a constant of this package.
from __future__ import annotations

from grafana.model import Section
from grafana.panels import COLORED_TEXT, GREEN, RED, bars, column, steps, table, timeseries
from grafana.sales_measures import AOV, CONVERSION, DAY, IN_RANGE

SPLIT = Section(
    "Where it comes from",
    (
        (
            timeseries(
                "Net revenue per day and channel (${currency})",
                "Net revenue by the channel of the order's session.",
                "short",
                f"""
                select date_day::timestamptz as "time", channel, sum(net_amount) as net
                from marts.kpi_daily_by_channel
                where {IN_RANGE}
                group by date_day, channel
                order by 1
                """,
                label="channel",
                style="bars",
                stacked=True,
                min_interval=DAY,
            ),
            table(
                "Channels",
                "What each channel brought in the range.",
                f"""
                select channel,
                       sum(net_amount) as net,
                       sum(orders_count) as orders,
                       {AOV} as average_order_value,
                       sum(sessions_count) as sessions,
                       {CONVERSION} as conversion,
                       sum(new_customers) as new_customers
                from marts.kpi_daily_by_channel
                where {IN_RANGE}
                group by channel
                order by net desc
                """,
                unit="short",
                columns=(
                    column("channel", title="Channel"),
                    column("net", title="Net (${currency})"),
                    column("orders", title="Orders"),
                    column("average_order_value", title="Average order (${currency})", decimals=2),
                    column("sessions", title="Sessions"),
                    column("conversion", unit="percentunit", title="Conversion", decimals=2),
                    column("new_customers", title="New customers"),
                ),
            ),
        ),
        (
            bars(
                "Net revenue by category (${currency})",
                "Net revenue of the order lines, by product category.",
                "short",
                f"""
                select category, sum(net_amount) as net
                from marts.kpi_daily_by_category
                where {IN_RANGE}
                group by category
                order by net desc
                """,
                width=8,
            ),
            table(
                "Top products",
                "The products with the highest net revenue (before refunds) in the range.",
                """
                select products.name, products.category, sum(lines.quantity) as units, sum(lines.net_amount) as net
                from marts.fct_order_lines as lines
                join marts.dim_products as products using (product_id)
                where $__timeFilter(lines.ordered_at)
                  and lines.currency = ${currency:sqlstring}
                  and not lines.is_cancelled
                group by products.product_id, products.name, products.category
                order by net desc
                limit 15
                """,
                width=9,
                unit="short",
                columns=(
                    column("name", title="Product"),
                    column("category", title="Category"),
                    column("units", title="Units"),
                    column("net", title="Net (${currency})"),
                ),
            ),
            bars(
                "Funnel",
                "Sessions of the range that reached each step.",
                "short",
                """
                select step, sessions
                from (
                    select count(*) as visited,
                           count(*) filter (where has_product_view) as viewed,
                           count(*) filter (where has_cart) as carted,
                           count(*) filter (where has_checkout) as checked_out,
                           count(*) filter (where has_order) as ordered
                    from marts.fct_sessions
                    where $__timeFilter(started_at)
                ) as funnel
                cross join lateral (values
                    (1, 'Sessions', visited),
                    (2, 'Product seen', viewed),
                    (3, 'Cart', carted),
                    (4, 'Checkout', checked_out),
                    (5, 'Order', ordered)
                ) as steps (position, step, sessions)
                order by position
                """,
                width=7,
            ),
        ),
    ),
    heights=(9, 10),
)

WEEKS = Section(
    "Week over week",
    (
        (
            table(
                "The last seven whole days against the seven before",
                "Whatever the range: yesterday and the six days before it, and the week before those.",
                f"""
                with weeks as (
                    select date_day >= current_date - 7 as is_last,
                           sum(net_amount) as net,
                           sum(gross_amount) as gross,
                           sum(orders_count) as orders,
                           {AOV} as average_order_value,
                           sum(sessions_count) as sessions,
                           sum(new_customers) as new_customers,
                           sum(refund_amount) as refunds
                    from marts.kpi_daily
                    where date_day between current_date - 14 and current_date - 1
                      and currency = ${{currency:sqlstring}}
                    group by 1
                ),
                measures as (
                    select weeks.is_last, measure.position, measure.name, measure.value::numeric as value
                    from weeks
                    cross join lateral (values
                        (1, 'Net revenue', net),
                        (2, 'Gross revenue', gross),
                        (3, 'Orders', orders),
                        (4, 'Average order value', average_order_value),
                        (5, 'Sessions', sessions),
                        (6, 'New customers', new_customers),
                        (7, 'Refunds', refunds)
                    ) as measure (position, name, value)
                )
                select name,
                       last_week,
                       week_before,
                       last_week / nullif(week_before, 0) - 1 as change
                from (
                    select position,
                           name,
                           max(value) filter (where is_last) as last_week,
                           max(value) filter (where not is_last) as week_before
                    from measures
                    group by position, name
                ) as compared
                order by position
                """,
                width=24,
                unit="short",
                columns=(
                    column("name", title="Measure"),
                    column("last_week", title="Last seven days"),
                    column("week_before", title="Seven days before"),
                    column(
                        "change",
                        unit="percentunit",
                        title="Change",
                        decimals=1,
                        thresholds=steps(RED, (0, GREEN)),
                        custom__cellOptions=COLORED_TEXT,
                    ),
                ),
            ),
        ),
    ),
    heights=(9,),
)
