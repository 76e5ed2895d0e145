"""Every index stands in docs/warehouse.md with its reader, and nothing stands there that is no index."""

from __future__ import annotations

import re
from collections import Counter

from shop_platform.settings import PROJECT_ROOT, Role
from shop_platform.warehouse.connect import connect

PAGE = (PROJECT_ROOT / "docs" / "warehouse.md").read_text(encoding="utf-8")


def table(title: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip("` ") for cell in row] for row in rows[2:]]


def test_every_index_of_raw_pii_and_ops_is_listed_with_its_reader(warehouse):
    with connect(warehouse.settings, Role.ADMIN) as admin:
        found = {
            f"{schema}.{name}"
            for schema, name in admin.execute(
                "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
                " where c.relkind in ('i', 'I') and not c.relispartition and n.nspname in ('raw', 'pii', 'ops')"
            )
        }
    # The three that every raw table has stand there once.
    found = {re.sub(r"^raw\.[a-z]+_(pk|xid|subject)$", r"raw.*_\1", name) for name in found}
    listed = table("Indexes of raw, pii and ops")
    assert Counter(name for name, _ in listed) == Counter(found)
    assert all(len(reason) > 2 for _, reason in listed)


def test_every_index_of_a_mart_is_listed_with_its_reader():
    found = Counter(
        (path.stem, ", ".join(re.findall(r"'(\w+)'", columns)))
        for path in (PROJECT_ROOT / "dbt_project" / "models" / "marts").rglob("*.sql")
        for columns in re.findall(r"'columns': \[([^\]]*)\]", path.read_text(encoding="utf-8"))
    )
    listed = table("Indexes of marts")
    assert Counter((mart, columns) for mart, columns, _ in listed) == found and len(found) > 30
    assert all(len(reason) > 2 for *_, reason in listed)
