"""More than one writer: stopped ones that wake up, ones that hold locks, ones that do not know of each other."""

from __future__ import annotations

import signal

import psutil
import pytest
from psycopg import sql

from shop_platform.ingest.reader import PartitionReader
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.chaos.crew import Crew
from tests.chaos.dose import FULL, REPEAT, dose, full_only
from tests.chaos.processes import (
    TOPIC_NAMES,
    committed,
    eventually,
    get_on,
    go_to_the_end,
    has_read_everything,
    running,
    service,
    victim,
)
from tests.chaos.proof import prove
from tests.chaos.stream import history, producing, repeated, send


def impatient(settings):
    """Let the database lose patience after seconds, where it would after half a minute and a minute."""
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        for name, value in {"lock_timeout": "1s", "idle_in_transaction_session_timeout": "3s"}.items():
            admin.execute(
                sql.SQL("alter role shop_ingest in database {} set {} = {}").format(
                    sql.Identifier(settings.pg_database), sql.Identifier(name), sql.Literal(value)
                )
            )


def holders(settings):
    """Return how many partitions each living service says it has."""
    with connect(settings, Role.ADMIN) as admin:
        rows = admin.execute(
            "select writer, jsonb_array_length(partitions) from ops.ingest_services"
            " where heartbeat_at > now() - interval '6 s'"
        )
        return dict(rows.fetchall())


def test_a_stopped_service_that_wakes_up(shop, rng, tmp_path):
    """SIGSTOP beyond its session: its partitions move on without it; awake, it must not write what it still has."""
    settings = shop.settings.model_copy(update={"ingest_batch_messages": dose(60, 300)})
    with service(settings, tmp_path / "a.log") as sleeper, service(settings, tmp_path / "b.log") as other:
        eventually(lambda: sorted(holders(settings).values()) == [13, 14], "the two share the partitions")
        for turn in range(dose(1, 4)):
            messages = repeated(rng, history(rng, dose(2_500, 20_000)), 0.05)
            with producing(settings, messages, f"chaos-{turn:06d}", seconds=dose(2, 20)):
                before = committed(settings)
                get_on(settings, rng.randrange(1, len(messages) // 2), of=before + len(messages))
                sleeper.send(signal.SIGSTOP)
            eventually(lambda: has_read_everything(settings), "the other one reads everything alone")
            send(settings, history(rng, 300), f"awake-{turn:06d}")
            sleeper.send(signal.SIGCONT)
            eventually(lambda: has_read_everything(settings), "everything is read")
            eventually(lambda: sorted(holders(settings).values()) == [13, 14], "the two share the partitions again")
        assert sleeper.popen.poll() is None, sleeper.tail()
        assert other.popen.poll() is None, other.tail()
    prove(settings)


@pytest.mark.parametrize("point", ["after_fence", "mid_copy", "after_copy", "before_commit", "after_commit"])
def test_a_writer_that_stops_inside_its_transaction(shop, rng, tmp_path, point):
    """It holds the locks of its partitions; another writer must get on, and the first one find out when it wakes up."""
    settings = shop.settings.model_copy(update={"ingest_batch_messages": dose(300, 2_000)})
    if not FULL:
        impatient(settings)
    send(settings, history(rng, dose(1_200, 12_000)))
    with victim(settings, tmp_path / "victim.log", point, at=rng.randint(1, 2), number=signal.SIGSTOP) as sleeper:
        eventually(sleeper.is_stopped, "it stops")
        with service(settings, tmp_path / "service.log") as process:
            eventually(lambda: has_read_everything(settings), "another one reads everything", dose(60, 300))
            sleeper.send(signal.SIGCONT)
            sleeper.wait()  # it ends with an error or finds nothing left to do; it must not write
            send(settings, history(rng, 200), "chaos-000002")
            eventually(lambda: has_read_everything(settings), "everything is read")
            assert process.popen.poll() is None, process.tail()
    prove(settings)


def test_two_readers_of_the_same_partitions_that_know_nothing_of_each_other(shop, rng):
    """One in the group, one that has simply taken every partition: step by step in a random order."""
    settings = shop.settings.model_copy(update={"ingest_batch_messages": dose(50, 300)})
    with PartitionReader(settings, TOPIC_NAMES) as member, PartitionReader(settings, TOPIC_NAMES) as stranger:
        member.subscribe()
        stranger.assign_all()
        eventually(lambda: member.step(1, 0.05) or member.positions, "the member has partitions")
        send(settings, repeated(rng, history(rng, dose(1_200, 12_000)), 0.05))
        landed = 0
        for _ in range(dose(40, 300)):
            reader = rng.choice((member, stranger))
            landed += sum(w.landed for w in reader.step(rng.randint(1, settings.ingest_batch_messages), 0.02))
            if rng.random() < 0.3:
                landed += sum(w.landed for w in reader.drain())
        for reader in (member, stranger):
            landed += sum(w.landed for w in reader.drain())
        go_to_the_end(stranger, settings)
    prove(settings)
    assert landed > 0, REPEAT


def test_readers_that_come_and_go(shop, rng):
    """Partitions change hands all the time, also while a batch is on its way."""
    settings = shop.settings.model_copy(update={"ingest_batch_messages": dose(40, 300)})
    crew = Crew(settings)
    try:
        with producing(settings, repeated(rng, history(rng, dose(1_500, 15_000)), 0.05), seconds=dose(4, 40)):
            for _ in range(dose(5, 40)):
                if len(crew) < 2 or (len(crew) < 4 and rng.random() < 0.5):
                    crew.hire()
                else:
                    crew.dismiss(rng.randrange(len(crew)))
                for _ in range(rng.randint(3, dose(12, 40))):
                    for number in range(len(crew)):
                        crew.step(number, rng.randint(1, settings.ingest_batch_messages))
        crew.finish()
    finally:
        crew.dismiss_all()
    prove(settings)
    assert crew.problems == [], REPEAT


@full_only
def test_a_fleet_whose_members_are_killed_and_then_its_head(shop, rng, tmp_path):
    """A member is started again; without their head no member may go on writing where nobody looks after it."""
    settings = shop.settings.model_copy(update={"ingest_batch_messages": 300})
    command = ["-m", "shop_platform.cli", "ingest", "--processes", "3"]
    with running(command, settings, tmp_path / "fleet.log") as fleet:
        head = psutil.Process(fleet.popen.pid)
        eventually(lambda: sorted(holders(settings).values()) == [9, 9, 9], "the three share the partitions")
        with producing(settings, history(rng, 30_000), seconds=40):
            for _ in range(3):
                members = head.children()
                rng.choice(members).kill()
                eventually(lambda known=members: set(head.children()) - set(known), "a new member is started")
                eventually(lambda: sorted(holders(settings).values()) == [9, 9, 9], "the three share the partitions")
            members = head.children()
            fleet.kill()
            _, alive = psutil.wait_procs(members, timeout=30)
            assert not alive, REPEAT
    with service(settings, tmp_path / "service.log"):
        eventually(lambda: has_read_everything(settings), "another service reads everything")
    prove(settings)
