"""The metrics are defined once: whoever asks the semantic layer gets the figures that the roll-ups publish."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dbt.contracts.graph.semantic_manifest import SemanticManifest

from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.operations import glossary
from tests.conftest import _drop, _new_warehouse
from tests.dbt import events as e
from tests.dbt import events_orders as o
from tests.dbt.project import PROJECT, Shop
from tests.dbt.random_shop import random_stream

_INDEPENDENT = {
    "net_of_discounts_amount": """
        select placed_day, currency, sum(gross - discount) from counted group by 1, 2""",
    "revenue_amount_base": """
        select placed_day, currency,
            case when bool_or(rate is null) then null else sum(round((gross - discount) * rate, 2)) end
        from counted group by 1, 2""",
    "captured_amount": """
        select (attempt.event_time at time zone 'Europe/Berlin')::date, attempt.data ->> 'currency',
            sum((attempt.data ->> 'amount')::numeric)
        from (
            select distinct on (subject, data ->> 'payment_id') * from raw.orders
            where event_type in ('shop.order.paid.v1', 'shop.order.payment_failed.v1')
            order by subject, data ->> 'payment_id', event_time desc, event_id desc
        ) as attempt
        where attempt.event_type = 'shop.order.paid.v1' and attempt.subject in (select order_id from told)
        group by 1, 2""",
}
"""Metrics that no roll-up publishes, asked of the raw events. What publishes the others, ``tests/truth`` recomputes."""
_FROM_RAW = """
    with told as (
        select distinct on (subject) subject as order_id, data ->> 'currency' as currency,
            (event_time at time zone 'Europe/Berlin')::date as placed_day,
            (data ->> 'subtotal')::numeric as gross, (data ->> 'discount')::numeric as discount
        from raw.orders where event_type = 'shop.order.placed.v1' order by subject, event_time, event_id
    ),
    counted as (
        select told.*, rates.rate_to_base as rate
        from told
        left join marts.dim_exchange_rates as rates
            on told.currency = rates.currency
            and told.placed_day >= coalesce(rates.valid_from, '-infinity')
            and told.placed_day < coalesce(rates.valid_to, 'infinity')
        where told.order_id not in (select subject from raw.orders where event_type = 'shop.order.cancelled.v1')
    )
"""


class MetricFlow:
    """The command `mf` on a shop's warehouse, with the manifest of its project.

    Loading it takes four seconds: one process loads it once and forks for each command.
    """

    _FORKS = """
import json, os, sys
from dbt_metricflow.cli.main import cli
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        told = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(told, 1), os.dup2(told, 2)
        cli(asked["arguments"], prog_name="mf")
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

    def __init__(self, shop: Shop) -> None:
        self._folder = shop.dbt.target / "for_metricflow"
        # It looks for the manifest below the project and nowhere else.
        self._folder.mkdir(parents=True)
        for entry in PROJECT.iterdir():
            if entry.name not in {"target", "logs"}:
                (self._folder / entry.name).symlink_to(entry)
        (self._folder / "target").mkdir()
        SemanticManifest(shop.dbt.manifest).write_json_to_file(str(self._folder / "target" / "semantic_manifest.json"))
        environment = os.environ | shop.settings.process_environment()
        environment |= {"DBT_PROJECT_DIR": str(self._folder), "DBT_PROFILES_DIR": str(self._folder)}
        environment |= {"DBT_LOG_PATH": str(shop.dbt.target), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        self._how: dict[str, Any] = {"env": environment | {"NO_COLOR": "1"}, "cwd": shop.dbt.target, "text": True}
        self._process: subprocess.Popen[str] | None = None

    def started(self, *arguments: str) -> str:
        """Return what the program says."""
        program = Path(sys.executable).parent / "mf"
        done = subprocess.run([program, *arguments], capture_output=True, check=False, **self._how)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def __call__(self, *arguments: str, refused: bool = False) -> str:
        """Return what the command says."""
        if self._process is None:
            command = [sys.executable, "-c", self._FORKS]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **self._how)
        assert self._process.stdin is not None and self._process.stdout is not None
        output = self._folder / "output"
        self._process.stdin.write(json.dumps({"arguments": arguments, "output": str(output)}) + "\n")
        self._process.stdin.flush()
        code, said = int(self._process.stdout.readline()), output.read_text()
        assert (code != 0) is refused, said
        return said

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()


@pytest.fixture(scope="module")
def mf(busy_shop: Shop) -> Iterator[MetricFlow]:
    made = MetricFlow(busy_shop)
    yield made
    made.close()


def _metrics(shop: Shop) -> list[str]:
    """Return the metrics that people ask for, and not what those are made of."""
    every = shop.dbt.manifest.metrics.values()
    return sorted(metric.name for metric in every if not metric.config.meta.get("internal"))


def _asked(
    mf: MetricFlow, folder: Path, metrics: list[str], *group_by: str, where: str | None = None
) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return what the semantic layer answers, by the group's values."""
    path = folder / "answer.csv"
    path.unlink(missing_ok=True)
    grouped = ("--group-by", ",".join(group_by)) if group_by else ()
    filtered = ("--where", where) if where else ()
    mf("query", "--metrics", ",".join(metrics), *grouped, *filtered, "--csv", str(path))
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        tuple(row[name][:10] if name.startswith("metric_time") else row[name] for name in group_by): {
            metric: None if row[metric] == "" else Decimal(row[metric]) for metric in metrics
        }
        for row in rows
    }


def _compare(asked: dict[Any, dict[str, Any]], published: dict[Any, dict[str, Any]]) -> None:
    """Both say the same; where the one says 0, the other may have nothing to say of the day."""
    assert published.keys() == asked.keys()
    for key, figures in published.items():
        for name, figure in figures.items():
            answer = asked[key][name]
            if figure is None:
                assert answer is None, (key, name, answer, figure)
            else:
                assert abs((answer or 0) - figure) < Decimal("0.005"), (key, name, answer, figure)


def _published(shop: Shop, mart: str, keys: str, metrics: list[str]) -> dict[Any, dict[str, Any]]:
    width = len(keys.split(","))
    return {
        tuple(map(str, row[:width])): dict(zip(metrics, row[width:], strict=True))
        for row in shop.rows(f"select {keys}, {', '.join(metrics)} from marts.{mart}")
    }


def _columns(shop: Shop, mart: str) -> set[str]:
    asked = "select column_name from information_schema.columns where table_schema = 'marts' and table_name = '{}'"
    return {row[0] for row in shop.rows(asked.format(mart))}


@pytest.fixture(scope="module")
def busy_shop(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A usual shop that these tests only read: built once."""
    folder = tmp_path_factory.mktemp("metrics")
    warehouse = _new_warehouse(postgres_server, folder)
    shop = Shop(warehouse.settings, folder)
    e.write(shop.settings, [event for seed in range(3) for event in random_stream(seed)])
    odd = {"in-francs": "CHF", "without-a-rate": "KES"}
    e.write(
        shop.settings,
        [e.order_placed(n, "2026-10-22 10:00", customer_id="emil", currency=currency) for n, currency in odd.items()],
    )
    elsewhere = {"country": "AT", "device": "desktop"}
    e.write(
        shop.settings,
        [
            e.order_placed("in-part", "2026-10-22 11:00", customer_id="emil", **elsewhere),
            e.order_paid("in-part", "2026-10-22 11:01", "5.00"),
            o.refund_in("KES", e.order_paid("in-part", "2026-10-22 11:02", "3.00", "pay-in-dollars")),
            e.refund_issued("in-part", "2026-10-23 11:02", [(1, "desk", "2.00")], tax="0.38"),
        ],
    )
    shop.dbt.run()
    yield shop
    shop.close()
    _drop(warehouse)


def test_the_semantic_layer_fits_the_warehouse(busy_shop: Shop, mf: MetricFlow) -> None:
    assert "ERRORS: 0" in mf.started("validate-configs", "--show-all").upper()
    shown = mf("list", "dimensions", "--metrics", "net_amount,paid_amount,orders_count,refund_total_amount")
    for name in ("channel_name", "country_code", "currency_code", "device_class"):
        assert f"order__{name}" in shown


def test_every_metric_equals_the_daily_kpi_of_its_name_or_a_query_of_its_own(
    busy_shop: Shop, mf: MetricFlow, tmp_path: Path
) -> None:
    columns = _columns(busy_shop, "kpi_daily")
    every = _metrics(busy_shop)
    metrics = [name for name in every if name in columns]
    assert columns - set(metrics) <= {"kpi_daily_id", "date_day", "currency", "new_customer_orders"}
    assert set(every) - columns == _INDEPENDENT.keys()

    asked = _asked(mf, tmp_path, every, "metric_time__day", "currency")

    published = _published(busy_shop, "kpi_daily", "date_day, currency", metrics)
    assert published["2026-10-22", "KES"]["net_amount_base"] is None
    # Money may be captured on a day on which nothing else happened.
    _compare({key: asked[key] for key in published}, published)
    for name, query in _INDEPENDENT.items():
        expected = {(str(day), currency): {name: figure} for day, currency, figure in busy_shop.rows(_FROM_RAW + query)}
        assert expected
        _compare({key: asked[key] for key in expected}, expected)
        assert not any(row[name] for key, row in asked.items() if key not in expected), name


def test_a_split_by_a_dimension_equals_the_roll_up_by_it(busy_shop: Shop, mf: MetricFlow, tmp_path: Path) -> None:
    split = _columns(busy_shop, "kpi_daily_by_channel")
    # Whose first order it is, is told of orders: there the channel is the order's dimension.
    metrics = [name for name in _metrics(busy_shop) if name in split - {"new_customers"}]
    published = _published(busy_shop, "kpi_daily_by_channel", "date_day, currency, channel", metrics)
    _compare(_asked(mf, tmp_path, metrics, "metric_time__day", "currency", "channel"), published)

    new = busy_shop.rows("select channel, sum(new_customers) from marts.kpi_daily_by_channel group by 1")
    asked = _asked(mf, tmp_path, ["new_customers"], "order__channel_name")
    _compare(asked, {(channel,): {"new_customers": figure} for channel, figure in new if figure} | {
        key: {"new_customers": 0} for key, row in asked.items() if not row["new_customers"]
    })  # fmt: skip


# A sum over countries and devices is no count of customers and no ratio: those are compared by channel.
_NOT_ADDED = {"customers_count", "margin_rate", "cost_coverage", "new_customers"}


def test_splits_by_country_and_by_device_equal_their_roll_ups(busy_shop: Shop, mf: MetricFlow, tmp_path: Path) -> None:
    split = _columns(busy_shop, "kpi_daily_by_country") & _columns(busy_shop, "kpi_daily_by_device")
    metrics = [name for name in _metrics(busy_shop) if name in split - _NOT_ADDED]
    asked = _asked(mf, tmp_path, metrics, "metric_time__day", "currency", "country", "device")
    for place, dimension in ((2, "country"), (3, "device")):
        keys = f"date_day, currency, {dimension}"
        published = _published(busy_shop, f"kpi_daily_by_{dimension}", keys, metrics)
        assert len({key[2] for key in published}) > 1
        parts: dict[Any, list[dict[str, Any]]] = {}
        for key, row in asked.items():
            parts.setdefault((key[0], key[1], key[place]), []).append(row)
        _compare({key: _added(rows, published.get(key, {})) for key, rows in parts.items()}, published)


def _added(rows: list[dict[str, Any]], published: dict[str, Any]) -> dict[str, Any]:
    """Return the sums of parts; a part may have nothing to say, and where the whole is not known, one must."""
    told = {name: [row[name] for row in rows] for name in rows[0]}
    unknown = {name for name, figures in told.items() if None in figures and published.get(name, 0) is None}
    return {name: None if name in unknown else sum(filter(None, figures)) for name, figures in told.items()}


def test_amounts_of_several_currencies_are_not_added(busy_shop: Shop, mf: MetricFlow, tmp_path: Path) -> None:
    asked = ("--metrics", "net_amount,average_order_value", "--group-by", "metric_time__day")
    assert "cannot be added: group by currency" in mf("query", *asked, refused=True)
    one = "{{ Dimension('order__currency_code') }} = 'EUR'"
    sums = busy_shop.one("select sum(net_amount) as net, sum(total_amount) as total from marts.kpi_daily"
                         " where currency = 'EUR'")  # fmt: skip
    assert _asked(mf, tmp_path, ["net_amount", "total_amount"], where=one) == {
        (): {"net_amount": sums["net"], "total_amount": sums["total"]}
    }
    # An amount without a rate is not nothing.
    assert _asked(mf, tmp_path, ["net_amount_base", "refund_amount_base"])[()]["net_amount_base"] is None


def test_no_metric_is_without_a_definition_or_an_owner_and_parts_are_not_in_the_glossary(_shop: Shop) -> None:
    assert _shop.dbt.manifest is not None
    for metric in _shop.dbt.manifest.metrics.values():
        assert metric.description.strip().endswith("."), metric.name
        assert {"owner", "unit", "grain"} <= metric.config.meta.keys(), metric.name
    assert sorted(metric.name for metric in glossary.metrics()) == _metrics(_shop)
