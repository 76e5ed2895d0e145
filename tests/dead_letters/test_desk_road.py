"""From Kafka to the desk and back into raw: every kind of poison, an upgrade, a killed replay."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid

from shop_platform.dead_letters.fix import fix_one
from shop_platform.dead_letters.listing import details, groups
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select
from shop_platform.events.decode import CONTRACT, Contract, ErrorClass
from shop_platform.events.registry import TOPICS, EventType
from shop_platform.events.types import PageViewed
from shop_platform.ingest.until_end import ingest_until_end
from tests.dead_letters.wire import actions, assert_books_balance, letters, query
from tests.ingest.test_until_end import poison
from tests.support.events import LedgerProducer, page_view

ME = "me@desk"


class PageViewedV2(PageViewed, frozen=True):
    """A page view of a later release."""

    scrolled_percent: int


def upgraded():
    """The contract with a second version of one type."""
    further = EventType("shop.web.page_viewed.v2", PageViewedV2, "session_id")
    return Contract(
        [
            dataclasses.replace(topic, event_types=(*topic.event_types, further)) if topic.subject == "web" else topic
            for topic in TOPICS
        ]
    )


def test_every_kind_of_poison_is_listed_mended_and_lands_in_its_old_place_under_its_old_id(shop):
    producer = LedgerProducer(shop.settings)
    sent = [(value, error_class, str(uuid.uuid4())) for value, error_class in poison()]
    for value, _, event_id in sent:
        producer.send_raw("shop.web", value, event_id, partition=2)
    producer.flush()
    assert ingest_until_end(shop.settings).by_subject["web"].dead == len(sent)

    listed = groups(shop.settings, select())
    # No message alone uses an id again.
    assert {group.error_class for group in listed} == {each.value for each in ErrorClass} - {ErrorClass.ID_REUSED}
    assert sum(group.letters for group in listed) == len(sent)
    assert_books_balance(shop.settings)

    found = letters(shop.settings, 'dead_letter_id, "offset", message_value')
    assert [offset for _, offset, _ in found] == list(range(len(sent)))
    for number, ((letter_id, _, stored), (value, error_class, event_id)) in enumerate(zip(found, sent, strict=True)):
        assert stored == value
        shown = details(shop.settings, letter_id)
        assert (shown.value, shown.columns["error_class"]) == (value, error_class)
        mended = json.dumps(page_view(number, id=event_id)).encode()
        fix_one(shop.settings, letter_id, mended, actor=ME)
    assert_books_balance(shop.settings)

    report = replay(shop.settings, select(), actor=ME)
    assert (report.landed, report.duplicates, report.still_invalid) == (len(sent), 0, 0)
    landed = query(shop.settings, "select event_id, kafka_partition from raw.web order by kafka_offset")
    assert landed == [(uuid.UUID(event_id), 2) for _, _, event_id in sent]
    originals = [value for (value,) in letters(shop.settings, "message_value")]
    assert originals == [value for value, _, _ in sent]  # what came is never changed
    for letter_id, _, _ in found:
        assert actions(shop.settings, letter_id) == [("fix", "fixed"), ("replay", "landed")]
    assert_books_balance(shop.settings)


def test_an_unknown_version_replays_cleanly_after_the_upgrade(shop):
    later = page_view(5, type="shop.web.page_viewed.v2")
    later["data"]["scrolled_percent"] = 80
    producer = LedgerProducer(shop.settings)
    producer.send_raw("shop.web", json.dumps(later).encode(), later["id"], partition=1)
    producer.send([page_view(6)])
    ingest_until_end(shop.settings)
    ((letter_id, error_class),) = letters(shop.settings, "dead_letter_id, error_class")
    assert error_class == "unknown_version"

    assert replay(shop.settings, select(), actor=ME, contract=CONTRACT).still_invalid == 1
    assert replay(shop.settings, select(), actor=ME, contract=upgraded()).landed == 1
    ((event_id, kind, data, partition, offset),) = query(
        shop.settings,
        "select event_id, event_type, data, kafka_partition, kafka_offset from raw.web where event_type like '%%v2'",
    )
    assert (str(event_id), kind, data) == (later["id"], "shop.web.page_viewed.v2", later["data"])
    assert (partition, offset) == (1, 0)
    assert actions(shop.settings, letter_id) == [("replay", "still_invalid"), ("replay", "landed")]
    assert_books_balance(shop.settings)


def test_what_the_producer_sent_again_correctly_is_settled_as_a_duplicate(shop):
    producer = LedgerProducer(shop.settings)
    good = page_view(1)
    producer.send_raw("shop.web", b"<html>502</html>", good["id"])
    producer.send([good])
    ingest_until_end(shop.settings)
    report = replay(shop.settings, select(), actor=ME)
    assert (report.landed, report.duplicates, report.still_invalid) == (0, 1, 0)
    assert query(shop.settings, "select count(*) from raw.web") == [(1,)]
    assert_books_balance(shop.settings)


_REPLAY = """
import sys
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select
from shop_platform.settings import load
replay(load(), select(), actor="doomed", page=int(sys.argv[1]))
"""


def test_a_killed_replay_loses_and_doubles_nothing(shop):
    count = 3000
    settings = shop.settings.model_copy(update={"ingest_dead_letter_burst": 0})
    producer = LedgerProducer(settings)
    for number in range(count):
        later = page_view(number, type="shop.web.page_viewed.v2")
        producer.send_raw("shop.web", json.dumps(later).encode(), later["id"])
    producer.flush()
    ingest_until_end(settings)
    # Mended in bulk, so that a replay by the published contract has something to land.
    query(
        settings,
        "update ops.dead_letters set status = 'fixed', fixed_value ="
        " convert_to(replace(convert_from(message_value, 'UTF8'), 'viewed.v2', 'viewed.v1'), 'UTF8') returning 1",
    )
    doomed = subprocess.Popen([sys.executable, "-c", _REPLAY, "20"], env=os.environ | settings.process_environment())
    try:
        deadline = time.monotonic() + 60
        while query(settings, "select count(*) from raw.web") < [(200,)]:
            assert time.monotonic() < deadline and doomed.poll() is None
        doomed.send_signal(signal.SIGKILL)
    finally:
        doomed.kill()
        doomed.wait()
    ((done,),) = query(settings, "select count(*) from raw.web")
    assert 200 <= done < count
    assert_books_balance(settings)
    report = replay(settings, select(), actor=ME)
    ((total, distinct),) = query(settings, "select count(*), count(distinct event_id) from raw.web")
    assert (total, distinct) == (count, count) and report.duplicates == 0
    assert query(settings, "select count(*) from ops.dead_letter_actions where outcome = 'landed'") == [(count,)]
    assert_books_balance(settings)
