"""Versions of one event beside each other: one shape in staging, one truth in the marts, nothing stops."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from decimal import Decimal

import pytest

from shop_platform.events.registry import EVENT_TYPES
from tests.dbt import events as e
from tests.dbt.project import PROJECT, Shop

_STAGING = ("stg_refunds", "stg_refund_lines")
_MARTS = ("fct_orders", "fct_refunds", "fct_refund_lines", "fct_order_status_history", "kpi_daily")
_OURS = ("--select", *(f"+{mart}" for mart in _MARTS))

_LINES = [("desk", 1, "10.00", "0.00", "1.90"), ("lamp", 1, "5.00", "0.00", "0.95")]
_BACK = [(1, "desk", "10.00"), (2, "lamp", "2.50")]


def _orders(count: int) -> list[e.Event]:
    return [e.order_placed(f"o{n}", "2026-03-01 10:00", _LINES) for n in range(count)]


def _refunds(versions: list[int]) -> list[e.Event]:
    return [
        e.refund_issued(f"o{n}", f"2026-03-0{2 + n} 10:00", _BACK, tax="2.37", version=version)
        for n, version in enumerate(versions)
    ]


def _told(shop: Shop) -> list[list[tuple[object, ...]]]:
    """Return what the marts say of the refunds."""
    return [
        shop.rows(
            "select refund_id, refunded_at, amount, tax_amount, currency, reason from marts.fct_refunds order by 1"
        ),
        shop.rows(
            "select refund_id, line_position, line_number, product_id, quantity, amount, currency"
            " from marts.fct_refund_lines order by 1, 2"
        ),
        shop.rows("select order_id, status, refunded_amount, net_amount from marts.fct_orders order by 1"),
        shop.rows("select date_day, refund_amount, net_amount from marts.kpi_daily where refund_amount > 0 order by 1"),
    ]


def test_both_versions_land_in_the_same_rows_of_the_same_marts(shop: Shop) -> None:
    told = []
    for versions in ([1, 1, 1, 1], [2, 2, 2, 2], [1, 2, 2, 1]):
        shop.clear()
        e.write(shop.settings, [*_orders(4), *_refunds(versions)])
        shop.dbt.run(*_OURS)
        told.append(_told(shop))
    assert told[0] == told[1] == told[2]
    refunds, lines, orders, days = told[0]
    assert len(refunds) == 4 and len(lines) == 8 and len(days) == 4
    assert {(row[2], row[3]) for row in refunds} == {(Decimal("12.50"), Decimal("2.37"))}
    assert {row[2] for row in orders} == {Decimal("12.50")}


def test_a_refund_that_is_written_in_both_versions_counts_once_as_it_was_told_first(shop: Shop) -> None:
    """A producer writes twice during its rollout: two event ids, one refund, in every order of arrival."""
    order = e.order_placed("o1", "2026-03-01 10:00", _LINES)
    old = e.refund_issued("o1", "2026-03-02 10:00", _BACK, tax="2.37", reason="told_first")
    new = e.refund_issued("o1", "2026-03-02 10:01", _BACK, tax="2.37", reason="told_later", version=2)
    assert old.id != new.id and old.data["refund_id"] == new.data["refund_id"]
    found = []
    for batches in ([[order, old, new]], [[order, new], [old]], [[new], [order], [old]]):
        shop.clear()
        for batch in batches:
            e.write(shop.settings, batch)
            shop.dbt.run(*_OURS)
        assert shop.rows("select count(*) from staging.stg_refunds") == [(2,)]
        found.append(_told(shop))
    assert found[0] == found[1] == found[2]
    refunds, lines, orders, days = found[0]
    assert [(row[2], row[3], row[5]) for row in refunds] == [(Decimal("12.50"), Decimal("2.37"), "told_first")]
    assert [row[5] for row in lines] == [Decimal("10.00"), Decimal("2.50")]
    assert orders == [("o1", "placed", Decimal("12.50"), Decimal("15.00"))]
    assert [row[1] for row in days] == [Decimal("12.50")]


def test_a_rollout_in_the_middle_of_the_stream_ends_in_the_marts_of_a_full_refresh(shop: Shop) -> None:
    stream = [*_orders(6), *_refunds([1, 1, 2, 1, 2, 2])]
    stream += [e.refund_issued(f"o{n}", f"2026-03-0{2 + n} 09:00", _BACK, version=3 - v)
               for n, v in ((1, 1), (2, 2), (4, 2))]  # fmt: skip
    random.Random(4).shuffle(stream)
    for batch in (stream[start : start + 4] for start in range(0, len(stream), 4)):
        e.write(shop.settings, batch)
        shop.dbt.run(*_OURS)
    ((ceiling,),) = shop.rows(f"select distinct ceiling::text from ops.model_watermarks where model in {_names()}")
    shop.shadow.run("--full-refresh", *_OURS, "--vars", f'{{ceiling: "{ceiling}"}}')
    for mart in _MARTS:
        there_and_back = (
            f"select count(*) from ((table marts.{mart} except all table verify__marts.{mart})"
            f" union all (table verify__marts.{mart} except all table marts.{mart})) as differing"
        )
        assert shop.rows(there_and_back) == [(0,)], mart


def _names() -> str:
    return "(" + ", ".join(f"'marts.{mart}'" for mart in _MARTS) + ")"


@pytest.mark.parametrize("version", [1, 2])
def test_a_new_optional_field_flows_through_and_staging_can_show_it(shop: Shop, version: int) -> None:
    e.write(shop.settings, _orders(2))
    shop.dbt.run(*_OURS)
    plain, noted = _refunds([version, version])
    noted.data["paid_back_by"] = "voucher"
    noted.data["lines"][0]["restocking_fee"] = {"net": "1.00"}
    e.write(shop.settings, [plain, noted])
    shop.dbt.run(*_OURS)

    assert [row[2] for row in _told(shop)[0]] == [Decimal("12.50")] * 2
    column = (
        "select subject, {{ json_text('paid_back_by') }} as paid_back_by from {{ source('raw', 'returns') }}"
        " where {{ is_event('refund.issued') }} and {{ below_ceiling() }} order by 1"
    )
    compiled = shop.dbt.invoke("compile", "--inline", column).result.results[0].node.compiled_code
    assert shop.rows(compiled) == [("o0", None), ("o1", "voucher")]


def test_staging_knows_how_to_read_every_registered_version() -> None:
    """A version that is registered and not read would land and show nothing."""
    versions: dict[str, set[int]] = defaultdict(set)
    for kind in EVENT_TYPES.values():
        versions[kind.family.removeprefix("shop.")].add(kind.version)
    evolved = {family: known for family, known in versions.items() if len(known) > 1}
    assert evolved == {"refund.issued": {1, 2}}
    readers = defaultdict(list)
    for path in sorted((PROJECT / "models" / "staging").rglob("*.sql")):
        text = path.read_text(encoding="utf-8")
        for family, known in evolved.items():
            if f"'{family}'" in text:
                readers[family].append(path.stem)
                read = [set(map(int, re.findall(r"\b(\d+): ", call))) for call in text.split("by_version(")[1:]]
                assert read and set().union(*read) == known, path.name
    assert readers == {"refund.issued": sorted(_STAGING)}
