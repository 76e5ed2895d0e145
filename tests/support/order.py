"""Which files of tests take longest: they begin first where several processes share the tests."""

from __future__ import annotations

# Minutes of one process on two cores. Only the order matters, so a file that is not here need not be.
_MINUTES = {
    "stack": 30,
    "test_worlds.py": 10,
    "test_dbt_build.py": 5,
    "test_incremental_equals_full_refresh.py": 5,
}


def rank(group: str) -> int:
    """Return the place of a group of tests (a file's name, or ``stack``); the lowest comes first."""
    return -_MINUTES.get(group, 0)
