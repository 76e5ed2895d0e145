"""The part of the business board that tells which published figures changed, and why."""

from __future__ import annotations

from grafana.model import Section
from grafana.panels import YELLOW, column, stat, steps, table, words

CORRECTIONS = Section(
    "Corrections",
    (
        (
            stat(
                "Final up to",
                "The newest business day whose figures are final. Later days are provisional: late events, "
                "cancellations and refunds may still change them.",
                "dateTimeAsLocal",
                """
                select extract(epoch from max(date_day)::timestamptz) * 1000 as final_up_to
                from marts.kpi_day_status
                where status = 'final'
                """,
                width=4,
            ),
            table(
                "Restated figures",
                "Headline figures of days that were over and that a build of the range changed: from what to what, and "
                "the late events behind it. Every other figure: marts.kpi_restatements.",
                """
                select restated_at,
                       date_day::text as business_day,
                       measure,
                       old_value,
                       new_value,
                       value_change,
                       reason,
                       case when was_final then 'after it was final' else 'provisional' end as day_was
                from marts.kpi_restatements
                where $__timeFilter(restated_at)
                  and currency = ${currency:sqlstring}
                  and measure in ('net_amount', 'orders_count', 'refund_amount', 'sessions_count', 'new_customers')
                order by restated_at desc, business_day desc, measure
                limit 100
                """,
                width=20,
                unit="short",
                columns=(
                    column("restated_at", unit="dateTimeAsLocal", title="Restated at"),
                    column("business_day", title="Business day"),
                    column("measure", title="Figure"),
                    column("old_value", title="Was", decimals=2),
                    column("new_value", title="Is", decimals=2),
                    column("value_change", title="Change", decimals=2),
                    column("reason", title="Late events"),
                    column(
                        "day_was",
                        title="The day was",
                        thresholds=steps("text"),
                        mappings=words(**{"after it was final": ("final", YELLOW)}),
                    ),
                ),
            ),
        ),
    ),
    heights=(9,),
)
