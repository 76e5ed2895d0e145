"""An id lands once, whatever ids are made of, wherever and whenever they come again."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from shop_platform.ingest.reader import PartitionReader
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import REPEAT, dose
from tests.chaos.processes import eventually, has_read_everything, read_everything
from tests.chaos.proof import prove
from tests.chaos.stream import as_message, scatter, send
from tests.support.events import event, page_view

PARTITIONS = 6  # of shop.web
HOUR_MS = 3_600_000


def version_7(rng, ms):
    return uuid.UUID(int=(ms << 80 | 7 << 76 | 2 << 62 | rng.getrandbits(12) << 64 | rng.getrandbits(62)))


def random_ids(rng, count, now):
    return [uuid.UUID(int=rng.getrandbits(128), version=4) for _ in range(count)]


def ascending(rng, count, now):
    return sorted(version_7(rng, now - HOUR_MS + n) for n in range(count))


def descending(rng, count, now):
    return ascending(rng, count, now)[::-1]


def of_one_millisecond(rng, count, now):
    return [version_7(rng, now - HOUR_MS) for _ in range(count)]


def one_bit_apart(rng, count, now):
    base = version_7(rng, now - HOUR_MS).int
    return [uuid.UUID(int=base ^ n) for n in range(count)]


def of_the_future(rng, count, now):
    return [version_7(rng, now + rng.randrange(100 * 365 * 24) * HOUR_MS) for _ in range(count)]


def around_now(rng, count, now):
    """Around the ceiling above which an id cannot be right, five minutes from now."""
    return [version_7(rng, now + 300_000 + rng.randrange(-5_000, 60_000)) for _ in range(count)]


def extreme(rng, count, now):
    ends = [uuid.UUID(int=value) for value in (1, 2, 2**127, 2**127 - 1, 2**128 - 3, 2**128 - 2)]
    return [*ends, *random_ids(rng, count - len(ends), now)]


def of_every_sort(rng, count, now):
    sorts = (random_ids, ascending, descending, of_one_millisecond, of_the_future, around_now, extreme)
    ids = [each for sort in sorts for each in sort(rng, count // len(sorts), now)]
    rng.shuffle(ids)
    return ids


SORTS = (descending, of_one_millisecond, of_the_future, around_now, of_every_sort)
MORE_SORTS = (random_ids, ascending, one_bit_apart, extreme)


@pytest.mark.parametrize("sort", dose(SORTS, SORTS + MORE_SORTS), ids=lambda sort: sort.__name__)
def test_repeated_ids_over_partitions_batches_and_restarts(shop, rng, sort):
    settings = shop.settings
    ids = sort(rng, dose(300, 5_000), time.time_ns() // 1_000_000)
    messages = [as_message(page_view(n, id=str(event_id))) for n, event_id in enumerate(ids)]
    # Mostly in the order of their sort, which is what an attack on the mark of the highest id needs.
    placed = [(n + rng.choice((0, 0, 0, rng.uniform(0, len(ids)))), m) for n, m in enumerate(messages * 2)]
    placed = [(m, rng.randrange(PARTITIONS)) for _, m in sorted(placed, key=lambda item: item[0])]
    while placed:
        share, placed = placed[: dose(350, 3_000)], placed[dose(350, 3_000) :]
        scatter(settings, share)
        restless = settings.model_copy(update={"ingest_batch_messages": rng.randint(1, 120)})
        read_everything(
            restless, ["shop.web"]
        )  # a new reader each time: what it knows of ids, it knows from the warehouse
    prove(settings)
    assert reconcile(settings).landed == len(set(ids)), REPEAT


def test_an_id_is_the_same_id_however_it_is_spelt(shop):
    page = page_view(1)
    plain = as_message(page)
    spelt = [plain]
    for text in (page["id"].upper(), page["id"].replace("-", ""), page["id"].upper().replace("-", "")):
        spelt.append(as_message(page | {"id": text}))
    scatter(shop.settings, [(message, n % 2) for n, message in enumerate(spelt)])
    read_everything(shop.settings)
    prove(shop.settings)
    assert reconcile(shop.settings).landed == 1


def test_an_id_in_two_topics_lands_in_both_and_verification_says_so(shop):
    """Two events under one id break the contract; neither is lost over it."""
    page = page_view(1)
    erased = event("shop.customer.erased.v1", "cus_1", {"customer_id": "cus_1", "reason": "gdpr"}, id=page["id"])
    send(shop.settings, [as_message(page), as_message(erased)])
    read_everything(shop.settings)
    verdict = reconcile(shop.settings)
    assert not verdict.holds and verdict.landed_twice == 1
    with connect(shop.settings, Role.ADMIN) as admin:
        rows = admin.execute("select event_id::text from raw.web union all select event_id::text from raw.customers")
        assert rows.fetchall() == [(page["id"],)] * 2


def test_two_writers_that_land_the_same_ids_at_the_same_time(shop, rng):
    """Each has partitions of its own, so nothing but the ids keeps them apart; they even come in opposite orders."""
    settings = shop.settings.model_copy(update={"ingest_batch_messages": dose(60, 200), "ingest_linger_ms": 20})
    ids = of_every_sort(rng, dose(1_400, 14_000), time.time_ns() // 1_000_000)
    messages = [as_message(page_view(n, id=str(event_id))) for n, event_id in enumerate(ids)]
    stop, problems, held = threading.Event(), [], {}

    def write(name):
        while not stop.is_set():
            try:
                with PartitionReader(settings, ["shop.web"]) as reader:
                    reader.subscribe()
                    while not stop.is_set():
                        reader.step(settings.ingest_batch_messages, 0.02)
                        held[name] = {partition for _, partition in reader.positions}
                    reader.drain()
            except Exception as problem:  # as the service: begin again
                problems.append(problem)

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    try:
        for writer in writers:
            writer.start()
        eventually(lambda: sorted(map(len, held.values())) == [3, 3], "each has half of the partitions")
        ours, theirs = held.values()
        scatter(
            settings,
            [
                item
                for n in range(len(messages))
                for item in ((messages[n], sorted(ours)[n % 3]), (messages[-n - 1], sorted(theirs)[n % 3]))
            ],
        )
        eventually(lambda: has_read_everything(settings), "both have read everything")
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    prove(settings)
    assert not problems, f"{problems[:3]}; {REPEAT}"
