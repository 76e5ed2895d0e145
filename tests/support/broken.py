"""Hooks for tests that share the platform `standing`: once one waited in vain for it, the later ones fail at once.

Each would wait for the same minutes. An assertion that fails says nothing of the platform and stops no other test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.waiting import WaitedInVainError

_WHY = pytest.StashKey[str]()


def why_broken(session: pytest.Session) -> str | None:
    """Return which test waited in vain, and for what."""
    return session.stash.get(_WHY, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember the first test that waited in vain."""
    failed = call.excinfo.value if call.excinfo else None
    timed_out = isinstance(failed, pytest.fail.Exception) and "Timeout" in str(failed)
    if _stands(item) and (timed_out or isinstance(failed, WaitedInVainError)):
        item.session.stash.setdefault(_WHY, f"{item.nodeid}: {failed}")
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail what needs a platform that is known to be broken."""
    if _stands(item) and (why := why_broken(item.session)):
        pytest.fail(f"the standing platform is broken since {why}", pytrace=False)


def _stands(item: pytest.Item) -> bool:
    return "standing" in getattr(item, "fixturenames", ())
