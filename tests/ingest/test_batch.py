"""Nothing of a batch is dropped or counted twice, whatever comes in whatever order."""

from __future__ import annotations

import datetime as dt
import json
import uuid

from hypothesis import given
from hypothesis import strategies as st

from shop_platform.ingest.batch import Mark, id_ceiling, sort_messages
from tests.support.events import page_view
from tests.support.messages import Stored

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
NOW_US = int(NOW.timestamp() * 1e6)
WEB = "shop.web"


def message(offset, document, partition=0, topic=WEB, headers=()):
    value = document if isinstance(document, bytes | None) else json.dumps(document).encode()
    return Stored(topic, partition, offset, value, list(headers))


def at(hours, **envelope):
    """A page view that happened `hours` before now."""
    time = NOW - dt.timedelta(hours=hours)
    return page_view(1, time=time, **envelope)


def uuid7(ms, salt=0):
    return str(uuid.UUID(bytes=ms.to_bytes(6, "big") + b"\x70\x00\x80" + salt.to_bytes(7, "big")))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),  # partition
            st.integers(0, 6),  # which event
            st.sampled_from(["good", "bad", "empty"]),
            st.integers(0, 300),  # hours ago
        ),
        max_size=60,
    )
)
def test_messages_are_rows_duplicates_or_dead_letters_in_total_and_per_hour(plan):
    ids = [str(uuid.uuid4()) for _ in range(7)]
    messages = []
    for offset, (partition, which, kind, hours) in enumerate(plan):
        content = {"good": at(hours, id=ids[which]), "bad": b"{", "empty": None}[kind]
        messages.append(message(offset, content, partition))
    batch = sort_messages(messages, {(WEB, n): Mark() for n in range(3)}, now_us=NOW_US)
    rows = batch.topics[WEB].rows if WEB in batch.topics else []
    others = batch.topics[WEB].others if WEB in batch.topics else []
    assert {row.event_id for row in others} <= {row.event_id for row in rows}
    assert batch.messages == len(plan)
    assert len({row.event_id for row in rows}) == len(rows)
    for (_, partition), part in batch.slices.items():
        mine = [row for row in rows if row.message.partition() == partition]
        again = sum(row.message.partition() == partition for row in others)
        assert part.messages == len(mine) + part.duplicates + len(part.dead) + again
        assert part.seen.total() - again == len(mine) + part.repeated.total() == len(mine) + part.duplicates
        assert part.next_offset == max(m.offset() for m in messages if m.partition() == partition) + 1


def test_what_was_read_before_and_what_belongs_to_others_is_left_out():
    messages = [message(n, page_view(n)) for n in range(5)] + [message(9, page_view(9), partition=1)]
    batch = sort_messages(messages, {(WEB, 0): Mark(next_offset=3)})
    assert list(batch.slices) == [(WEB, 0)] and batch.messages == 2
    assert [row.message.offset() for row in batch.topics[WEB].rows] == [3, 4]
    again = sort_messages([*messages[3:5], *messages[3:5]], {(WEB, 0): Mark(next_offset=3)})
    assert again.messages == 2 and again.slices[WEB, 0].duplicates == 0


def test_an_event_more_than_an_hour_behind_the_newest_is_late_and_a_clock_from_the_future_makes_nobody_late():
    def late(*hours):
        messages = [message(n, at(h)) for n, h in enumerate(hours)]
        part = sort_messages(messages, {(WEB, 0): Mark()}, now_us=NOW_US).slices[WEB, 0]
        return part.late.total()

    assert late(3, 2.5, 3.4) == 0
    assert late(3, 4.1) == 1
    assert late(-24 * 365, 3, 3.5) == 0  # the first one is from next year
    part = sort_messages([message(0, at(-48)), message(1, at(5))], {(WEB, 0): Mark()}, now_us=NOW_US).slices[WEB, 0]
    assert part.watermark_us == part.max_time_us == NOW_US - 5 * 3600 * 1_000_000
    part = sort_messages([message(0, at(-48))], {(WEB, 0): Mark()}, now_us=NOW_US).slices[WEB, 0]
    assert part.max_time_us is None  # freshness is measured by it


def test_the_watermark_goes_on_from_the_earlier_batch():
    part = sort_messages([message(7, at(5))], {(WEB, 0): Mark(7, NOW_US)}, now_us=NOW_US).slices[WEB, 0]
    assert part.late.total() == 1 and part.watermark_us == NOW_US


def test_only_ids_that_may_have_landed_before_are_suspects():
    now_ms = NOW_US // 1000
    ids = [uuid7(now_ms - 50), uuid7(now_ms - 30), uuid7(now_ms - 40), uuid7(now_ms + 3_600_000), uuid7(now_ms - 90)]
    mark = Mark(top_id=uuid.UUID(uuid7(now_ms - 60)).bytes)
    batch = sort_messages([message(n, at(0, id=i)) for n, i in enumerate(ids)], {(WEB, 0): mark}, now_us=NOW_US)
    assert batch.topics[WEB].suspects == [uuid.UUID(ids[3]).bytes, uuid.UUID(ids[4]).bytes]
    assert batch.slices[WEB, 0].top_id == uuid.UUID(ids[1]).bytes < id_ceiling(NOW_US)


def test_a_random_id_that_another_partition_repeats_does_not_raise_the_mark_there():
    now_ms = NOW_US // 1000
    random_id, usual = "ffffffff-0000-4000-8000-000000000000", uuid7(now_ms - 50)
    messages = [
        message(0, at(0, id=random_id)),
        message(0, at(0, id=usual), partition=1),
        message(1, at(0, id=random_id), partition=1),
    ]
    batch = sort_messages(messages, {(WEB, 0): Mark(), (WEB, 1): Mark()}, now_us=NOW_US)
    assert batch.slices[WEB, 1].duplicates == 1
    assert batch.slices[WEB, 1].top_id == uuid.UUID(usual).bytes


def test_the_same_id_in_another_notation_is_the_same_event():
    first = page_view(1)
    second = first | {"id": first["id"].upper()}
    part = sort_messages([message(0, first), message(1, second)], {(WEB, 0): Mark()}).slices[WEB, 0]
    assert (part.messages, part.duplicates) == (2, 1)


def test_a_dead_letter_has_the_hour_of_its_header_or_of_its_body_or_none():
    event_id = str(uuid.uuid4())
    headers = [("ce_id", event_id.encode()), ("ce_time", b"2026-03-01T09:59:59Z")]
    messages = [
        message(0, b"{", headers=headers),
        message(1, page_view(1) | {"type": "shop.web.page_viewed.v99"}),
        message(2, b"\xff"),
    ]
    letters = sort_messages(messages, {(WEB, 0): Mark()}).slices[WEB, 0].dead
    nine = int(dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC).timestamp()) // 3600
    assert [letter.hour for letter in letters] == [nine, nine, None]
    assert letters[0].event_id == event_id
