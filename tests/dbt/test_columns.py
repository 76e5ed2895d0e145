"""What the project tells dbt of columns is what dbt would have read; comments are written when they change."""

from __future__ import annotations

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt.project import Shop

_PROBE = "fct_orders"


def _columns(shop: Shop, macro: str, table: str) -> list[str]:
    """Return name and type of each column as ``macro`` tells dbt."""
    relation = f"api.Relation.create(database=target.dbname, schema='marts', identifier='{table}', type='table')"
    code = f"{{% for c in {macro}({relation}) %}}{{{{ c.name }}}} {{{{ c.data_type }}}}\n{{% endfor %}}"
    done = shop.dbt.invoke("compile", "--inline", code)
    return [line for line in done.result.results[0].node.compiled_code.splitlines() if line]


def test_dbt_gets_the_columns_that_information_schema_would_have_told(shop: Shop) -> None:
    with connect(shop.settings, Role.TRANSFORM) as connection:
        connection.execute(
            "create table marts.probe (a bigint, b varchar(12), c numeric(10, 2), d numeric, e timestamptz not null,"
            " f uuid, g jsonb, h text[], i boolean, j date, k xid8, l text, gone integer, m smallint)"
        )
        connection.execute("alter table marts.probe drop column gone")
    found = _columns(shop, "adapter.get_columns_in_relation", "probe")
    theirs = _columns(shop, "dbt.postgres__get_columns_in_relation", "probe")
    assert len(found) == 13 and "b character varying(12)" in found and "c numeric(10,2)" in found
    # information_schema says no more than "array", which is no type.
    assert [column.replace("text[]", "ARRAY") for column in found] == theirs
    assert _columns(shop, "adapter.get_columns_in_relation", "nothing") == []


def _comments(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows(
        "select objsubid, description, xmin::text from pg_description"
        f" where objoid = 'marts.{_PROBE}'::regclass order by objsubid"
    )


def test_a_build_writes_no_comment_that_stands_and_mends_one_that_does_not(shop: Shop) -> None:
    shop.dbt.invoke("run", "--select", f"+{_PROBE}")
    first = _comments(shop)
    assert shop.dbt.manifest is not None
    model = next(node for node in shop.dbt.manifest.nodes.values() if node.name == _PROBE)
    assert [comment for _, comment, _ in first] == [
        model.description, *(column.description for column in model.columns.values())
    ]  # fmt: skip
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute(f"comment on column marts.{_PROBE}.order_id is 'edited by hand'")
        admin.execute(f"comment on table marts.{_PROBE} is null")

    shop.dbt.invoke("run", "--select", _PROBE)

    again = _comments(shop)
    assert [each[:2] for each in again] == [each[:2] for each in first]
    assert [number for (number, _, now), (_, _, before) in zip(again, first, strict=True) if now != before] == [0, 1]
