"""What the binary COPY writes is what PostgreSQL reads: every column, to the microsecond and the byte."""

from __future__ import annotations

import datetime as dt
import json
import uuid

from hypothesis import given
from hypothesis import strategies as st

from shop_platform.events.decode import Contract
from shop_platform.ingest.batch import Mark, sort_messages
from shop_platform.ingest.encode import epoch_us, from_epoch_us
from shop_platform.ingest.land import copy_rows, prepare, raw_table
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import page_view
from tests.support.messages import Stored

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
TIMES = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29), timezones=ZONES)


@given(TIMES)
def test_microseconds_since_1970_are_exact_and_can_be_turned_back(time):
    expected = (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    assert epoch_us(time) == expected
    assert from_epoch_us(expected) == time


def test_postgresql_reads_back_every_column_as_it_was_sent(warehouse):
    times = ["0001-01-03T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2026-10-25T02:30:00.123456+02:00",
             "2099-12-31T23:59:59.999999Z", "9999-12-29T23:59:59.999999-12:00"]  # fmt: skip
    texts = ["plain", "ü€𝄞", 'tab\tline\nback\\slash"quote', "", "\\u0000 is no NUL"]
    sent = []
    for number, (time, text) in enumerate(zip(times, texts, strict=True)):
        document = page_view(number) | {"time": time}
        document["data"]["extra"] = {"text": text, "number": 0.1 + number, "list": [None, True]}
        sent.append(document)
    messages = [
        Stored("shop.web", 3, 10 + n, json.dumps(each, ensure_ascii=False).encode()) for n, each in enumerate(sent)
    ]
    any_time = Contract(earliest=dt.datetime.min.replace(tzinfo=dt.UTC), ahead=dt.timedelta(days=10_000_000))
    batch = sort_messages(messages, {("shop.web", 3): Mark()}, contract=any_time)
    with connect(warehouse.settings, Role.INGEST) as connection:
        prepare(connection)
        copy_rows(connection, raw_table("shop.web"), batch.topics["shop.web"].rows)
        found = connection.execute(
            "select event_id, event_type, source, subject, event_time, data, kafka_partition, kafka_offset"
            " from raw.web where event_id = any(%s) order by kafka_offset",
            [[uuid.UUID(each["id"]) for each in sent]],
        )
        # psycopg knows no year beyond 9999 in the session's zone, so times are compared as numbers
        rows = found.fetchall()
        connection.rollback()
    for document, row, message in zip(sent, rows, messages, strict=True):
        event = any_time.decode(message.value(), "shop.web")
        assert row == (
            event.id, event.type, event.source, event.subject, event.time, document["data"], 3, message.offset()
        )  # fmt: skip
