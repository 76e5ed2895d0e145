"""dbt builds its marts from imported orders, and every test of the data passes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt.project import DbtProject
from tests.importing.files import EXAMPLES, SHOPIFY


def test_the_marts_say_of_imported_orders_what_the_shop_said(shop, tmp_path):
    run_import(shop.settings, ImportOptions(*SHOPIFY))
    run_import(shop.settings, ImportOptions(EXAMPLES / "products.csv", EXAMPLES / "products.yml"))
    ingest_until_end(shop.settings)
    dbt = DbtProject(shop.settings, tmp_path / "target")
    dbt.build("--select", "+kpi_daily", "+kpi_daily_by_category", "--indirect-selection", "buildable")

    def rows(query):
        with connect(shop.settings, Role.DASHBOARD) as connection:
            return connection.execute(query).fetchall()

    columns = "order_id, status, total_amount, paid_amount, refunded_amount"
    orders = {order_id: rest for order_id, *rest in rows(f"select {columns} from marts.fct_orders")}
    assert len(orders) == 9
    assert orders["shopify-1001"] == ["shipped", Decimal("77.20"), Decimal("77.20"), 0]
    assert orders["shopify-1004"] == ["cancelled", Decimal("34.80"), 0, 0]
    assert orders["shopify-1005"] == ["shipped", Decimal("84.80"), Decimal("84.80"), Decimal("20.92")]
    assert orders["shopify-1008"] == ["placed", Decimal("46.10"), 0, 0]
    sums = "sum(orders_count), sum(cancelled_orders_count), sum(total_amount), sum(refund_amount)"
    assert rows(f"select {sums} from marts.kpi_daily") == [(8, 1, Decimal("542.01"), Decimal("20.92"))]
    assert rows("select min(date_day), max(date_day) from marts.kpi_daily") == [
        (dt.date(2026, 2, 2), dt.date(2026, 2, 10))
    ]
    categories = dict(rows("select category, sum(units) from marts.kpi_daily_by_category group by 1"))
    # A tip is no unit of anything.
    assert categories == {"kitchen": 8, "living": 5, "unknown": 4}
