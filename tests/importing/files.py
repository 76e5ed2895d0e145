"""Small maps and files for tests, and the examples of the documentation."""

from __future__ import annotations

import datetime as dt
import json
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shop_platform.importing.build import Built, build
from shop_platform.importing.plan import read_plan
from shop_platform.importing.sources import entities, format_of, open_source, rows_of
from shop_platform.settings import PROJECT_ROOT

EXAMPLES = PROJECT_ROOT / "docs" / "examples" / "import"
SHOPIFY = EXAMPLES / "shopify_orders.csv", EXAMPLES / "shopify_orders.yml"
WOOCOMMERCE = EXAMPLES / "woocommerce_orders.ndjson", EXAMPLES / "woocommerce_orders.yml"

CUSTOMERS = """
    version: 1
    source: /test/erasures
    events:
      - type: customer.erased
        time: {from: at}
        data:
          customer_id: {from: customer}
          reason: {from: why, do: [code], else: request}
"""

ORDERS = """
    version: 1
    source: /test/orders
    group_by: order
    order:
      line:
        product_id: {from: product}
        sku: {from: product}
        quantity: {from: quantity}
        unit_price: {from: price}
      total: {from: total}
    events:
      - type: order.placed
        time: {from: placed}
        data:
          order_id: {from: order}
          customer_id: {from: customer}
          channel: {value: direct}
          device: {value: desktop}
          country: {value: DE}
          currency: {value: EUR}
      - type: order.paid
        when: {present: [paid]}
        time: {from: paid}
        data:
          order_id: {from: order}
          payment_id: {from: order, do: [{prefix: pay-}]}
          method: {value: card}
          amount: {computed: total}
          currency: {value: EUR}
"""
START = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
ORDER_COLUMNS = "order,customer,placed,paid,total,product,quantity,price"


def write_map(folder: Path, text: str) -> Path:
    """Write a map and return its path."""
    path = folder / "map.yml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def write_lines(path: Path, lines: Iterable[str], **how: Any) -> Path:
    """Write lines of text and return the path."""
    path.write_text("".join(f"{line}\n" for line in lines), **how)
    return path


def order_row(number: int, **changes: str) -> str:
    """Return a row of a one-line order for :data:`ORDERS`."""
    placed = (START + dt.timedelta(seconds=number)).isoformat()
    row = {
        "order": f"o-{number}", "customer": f"c-{number % 7}", "placed": placed, "paid": "", "total": "20.00",
        "product": "mug", "quantity": "2", "price": "10.00",
    }  # fmt: skip
    return ",".join(f'"{value}"' if "," in value else value for value in (row | changes).values())


def built(file: Path, map_: Path, kind: str | None = None) -> list[Built]:
    """Return what comes of every entity of a file."""
    plan = read_plan(map_)
    source = open_source(file, format_of(file, kind), plan)
    return [build(plan, entity) for entity in entities(rows_of(source, plan), plan.group_by)]


def documents(results: Iterable[Built]) -> list[dict[str, Any]]:
    """Return the events as documents, in order."""
    return [json.loads(event.value) for each in results for event in each.events]
