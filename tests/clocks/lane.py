"""What runs in the lane, and why what else takes a date from the clock does not."""

from __future__ import annotations

import re

from shop_platform.settings import PROJECT_ROOT

_PARTITIONS = "tests/warehouse/test_partitions.py::test_"
_RETENTION = "tests/operations/test_retention.py::test_"

_BOARDS = "tests/grafana/test_queries.py::test_"

LANE = {
    "tests/clocks/inside.py": "the clock itself",
    "tests/dashboard/test_today.py": "today by the shop's clock, asked of a server that may be a day behind",
    f"{_BOARDS}every_panel_shows_something_on_a_healthy_platform": "every query of every board and alert, over a month",
    f"{_BOARDS}the_figures_are_those_of_the_seed": "`today` and `a week ago` by the shop's clock",
    f"{_BOARDS}what_waits_for_a_person_is_shown": "the hours that have begun",
    "tests/orchestration/test_drift.py::test_an_ordinary_day_is_in_the_contract_and_a_new_field_is_named": (
        "the same hour of earlier weeks, by the shop's clock; events go through a broker"
    ),
    f"{_RETENTION}old_years_go_and_every_event_stays_accounted_for": "years that are due, by the machine's clock",
    f"{_PARTITIONS}a_new_warehouse_has_partitions_to_the_end_of_next_year": "partitions by year, by the server's clock",
    f"{_PARTITIONS}a_missing_partition_stops_nothing_and_gets_its_rows_when_it_is_made": "next year's",
    f"{_PARTITIONS}a_table_with_ids_in_the_order_of_time_becomes_the_first_partition_as_it_is": "a migration by year",
}
"""Files and tests whose outcome could depend on the date on which they run, with what of theirs does.

Ages (so many minutes ago) are no dates, and fixed times pass at any time: tests of those kinds are not here. What the
generator makes of midnights is held with fixed times in ``tests/generator/test_laws.py``; nothing in a mart depends on
the clock (``tests/dbt/test_conventions.py``).
"""

ELSEWHERE = {
    "tests/clocks": "the lane's own words",
    "tests/dashboard/conftest.py": "the day up to which the browser's tests seed, see there",
    "tests/dashboard/browser": "a browser for each side of each moment is too dear; it and the server use one clock",
    "tests/dbt/test_portability.py": "texts in which a clock is looked for",
    "tests/grafana/stand_in_marts.py": "the marts of tests/grafana/test_queries.py",
    "tests/grafana/test_queries.py": "its other tests run the same queries over other ranges, or on marts made by dbt",
    "tests/operations/test_retention.py": "its other tests count by the same year",
    "tests/orchestration/test_platform.py": "a whole stack; it asks for days around one that it read from the mart",
    "tests/support/databases.py": "a template for each of UTC's years; the lane's own tests use it",
    "tests/warehouse/test_partitions.py": "its other tests count by the same year",
}
"""Other files that take a date from the clock."""

_DATE_FROM_THE_CLOCK = re.compile(
    r"current_date|date_trunc\('(?:day|week|month|quarter|year)', (?:now|clock_timestamp)\("
    r"|date\.today\(|business_day\("
    r"|\bnow\((?:[\w.]+|ZoneInfo\([^)]*\))?\)\.(?:date\(|replace\(hour|(?:year|month|day)\b)"
)


def files_that_take_a_date_from_the_clock() -> list[str]:
    """Return every file of tests in which a date, not only an age, comes from the clock."""
    return [
        path.relative_to(PROJECT_ROOT).as_posix()
        for path in sorted((PROJECT_ROOT / "tests").rglob("*.py"))
        if _DATE_FROM_THE_CLOCK.search(path.read_text(encoding="utf-8"))
    ]
