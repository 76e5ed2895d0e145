"""What must hold after every fault: I1 and I2, and a second opinion on I1 that shares no code with the platform's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.operations.verify import rebuild_and_compare, reconcile
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import FULL, REPEAT
from tests.support.planned import run_by_plan


def acknowledged(folder: Path) -> list[str]:
    """Return the id of every acknowledged message, as often as it was acknowledged."""
    return [
        line.split("\t", 1)[0]
        for path in sorted((folder / "produced").glob("*.tsv"))
        for line in path.read_text().splitlines()
    ]


def prove(settings: Settings, *, i2: bool = FULL) -> None:
    """Assert that everything that was acknowledged is in the warehouse, once, and (``i2``) that the marts say so."""
    prove_i1(settings)
    if i2:
        prove_i2(settings)


def prove_i1(settings: Settings) -> None:
    """Assert I1 with nothing in flight, by the platform's own check and by a plain comparison of ids."""
    verdict = reconcile(settings)
    assert verdict.holds, f"I1 is broken: {verdict.as_dict()}; {REPEAT}"
    assert verdict.hours.holds, f"hours do not add up: {[h.sentence() for h in verdict.hours.worst]}; {REPEAT}"
    assert verdict.in_flight == 0, f"not everything was read: {verdict.as_dict()}; {REPEAT}"
    sent = acknowledged(settings.ledger_dir)
    landed, dead, unattributed = _arrived(settings)
    twice = [event_id for event_id, times in landed.items() if times > 1]
    differing = set(sent) ^ (landed.keys() | dead)
    assert not twice, f"{len(twice)} ids landed twice, e.g. {twice[:3]}; {REPEAT}"
    assert not differing, f"{len(differing)} ids were lost or came from nowhere, e.g. {list(differing)[:3]}; {REPEAT}"
    assert not landed.keys() & dead, f"landed and dead: {list(landed.keys() & dead)[:3]}; {REPEAT}"
    _prove_ledgers(settings, messages=len(sent) + unattributed, landed=len(landed))


def prove_i2(settings: Settings) -> None:
    """Build the marts and assert that every one equals its recomputation from raw."""
    run_by_plan(settings, ["run"])
    verdict = rebuild_and_compare(settings)
    assert verdict.holds, f"I2 is broken: {verdict.as_dict()}; {REPEAT}"


def _arrived(settings: Settings) -> tuple[Counter[str], set[str], int]:
    with connect(settings, Role.ADMIN) as admin:
        landed: Counter[str] = Counter()
        for topic in TOPICS:
            statement = sql.SQL("select event_id::text from {}").format(sql.Identifier("raw", topic.subject))
            landed.update(str(row[0]) for row in admin.execute(statement))
        letters = admin.execute("select event_id::text, error_class from ops.dead_letters").fetchall()
    dead = {str(event_id) for event_id, _ in letters if event_id is not None}
    # An id that was used again is in the ledger, under the event that landed.
    return landed, dead, sum(event_id is None and why != "id_reused" for event_id, why in letters)


def _prove_ledgers(settings: Settings, *, messages: int, landed: int) -> None:
    """Assert that both of the ingestion's ledgers tell what the tables hold."""
    with connect(settings, Role.ADMIN) as admin:
        told = admin.execute(
            "select coalesce(sum(messages), 0), coalesce(sum(landed), 0), coalesce(sum(duplicates), 0),"
            " coalesce(sum(dead), 0) from ops.ingest_batches"
        ).fetchone()
        hours = admin.execute(
            "select coalesce(sum(landed), 0), coalesce(sum(duplicates), 0), coalesce(sum(dead), 0)"
            " from ops.ingest_hours"
        ).fetchone()
        dead = admin.execute("select count(*) from ops.dead_letters").fetchone()
    assert told is not None and hours is not None and dead is not None
    truth = (messages, landed, messages - landed - int(str(dead[0])), int(str(dead[0])))
    assert tuple(map(int, map(str, told))) == truth, f"ingest_batches: {told}, in truth {truth}; {REPEAT}"
    assert tuple(map(int, map(str, hours))) == truth[1:], f"ingest_hours: {hours}, in truth {truth[1:]}; {REPEAT}"
