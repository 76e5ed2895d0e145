"""Replays beside each other and beside the ingestion: each event lands once, the books balance."""

from __future__ import annotations

import datetime as dt
import threading
import time

from shop_platform.dead_letters.edits import read_edits
from shop_platform.dead_letters.fix import fix_many, fix_one
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dead_letters.wire import as_json, assert_books_balance, broken, one_broken, query
from tests.support.events import START, page_view

ME = "me@desk"


def replay_at_once(settings, number, **options):
    reports, problems = [], []
    barrier = threading.Barrier(number)

    def work():
        barrier.wait()
        try:
            reports.append(replay(settings, select(), actor=threading.current_thread().name, **options))
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems
    return reports


def test_two_replays_at_once_land_each_event_once(settings, wire):
    count = 400
    for number in range(count):
        bad, _ = broken(number)
        for _ in range(1 + (number % 4 == 0)):  # some ids stand twice, in pages that are worked on at the same time
            wire.send(bad, bad["id"])
    wire.deliver()
    fix_many(settings, select(topic="web"), read_edits(['$.data.page="/x"'], [], give_id=False), actor=ME)
    reports = replay_at_once(settings, 2, page=7)
    assert sum(report.landed for report in reports) == count
    assert sum(report.duplicates for report in reports) == count // 4
    assert query(settings, "select count(*), count(distinct event_id) from raw.web") == [(count, count)]
    assert query(settings, "select status, count(*) from ops.dead_letters group by 1") == [("replayed", 500)]
    assert query(settings, "select count(*) from ops.dead_letter_actions where action = 'replay'") == [(500,)]
    assert_books_balance(settings)


def test_a_letter_in_the_hands_of_another_replay_is_left_to_it(settings, wire):
    letter_id, good = one_broken(wire)
    fix_one(settings, letter_id, as_json(good), actor=ME)
    with connect(settings, Role.INGEST) as other:
        other.execute("select from ops.dead_letters where dead_letter_id = %s for update", [letter_id])
        report = replay(settings, select(ids=[letter_id]), actor=ME)
        assert (report.looked_at, report.busy) == (0, 1)
    assert replay(settings, select(ids=[letter_id]), actor=ME).landed == 1


def test_a_replay_waits_for_the_ingestion_before_it_touches_raw(settings, wire):
    """In the other order each could hold what the other one waits for."""
    letter_id, good = one_broken(wire)
    fix_one(settings, letter_id, as_json(good), actor=ME)
    reports = []
    thread = threading.Thread(target=lambda: reports.append(replay(settings, select(), actor=ME)))
    with connect(settings, Role.INGEST) as ingestion:
        ingestion.execute("select from ops.ingest_offsets for update")
        thread.start()
        deadline = time.monotonic() + 30
        while not query(
            settings, "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        ingestion.execute(
            "insert into raw.web (event_id, event_type, source, subject, event_time, data, kafka_partition,"
            " kafka_offset) values (%s, %s, %s, %s, %s, '{}', 0, 1)",
            [good["id"], good["type"], good["source"], good["subject"], good["time"]],
        )
    thread.join()
    assert [(report.landed, report.duplicates) for report in reports] == [(0, 1)]


def test_replays_and_the_ingestion_do_not_get_in_each_other_s_way(settings, wire):
    count = 300
    for number in range(count):
        bad, _ = broken(number)
        wire.send(bad, bad["id"])
    wire.deliver()
    fix_many(settings, select(topic="web"), read_edits(['$.data.page="/x"'], [], give_id=False), actor=ME)
    problems = []

    def ingest():
        try:
            for number in range(60):
                # Half of it are letters' events that the producer sends again, now right, in several hours.
                known = query(
                    settings, "select event_id::text from ops.dead_letters where dead_letter_id = %s", number + 1
                )
                hour = START + dt.timedelta(hours=number % 3)
                right = page_view(number, id=known[0][0])
                right["data"]["page"] = "/x"
                for again in (right, page_view(number, time=hour)):
                    wire.send(again, again["id"])
                wire.deliver()
        except Exception as problem:
            problems.append(problem)

    thread = threading.Thread(target=ingest)
    thread.start()
    replay_at_once(settings, 1, page=3)
    thread.join()
    assert not problems, problems
    replay(settings, select(), actor=ME)
    assert query(settings, "select count(*), count(distinct event_id) from raw.web") == [(count + 60, count + 60)]
    assert_books_balance(settings)
