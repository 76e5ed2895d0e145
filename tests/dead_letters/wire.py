"""Messages given straight to the landing transaction: the ingestion's own code, without a broker to start."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass, field

from shop_platform.events.decode import CONTRACT
from shop_platform.ingest.batch import Mark, sort_messages
from shop_platform.ingest.land import prepare
from shop_platform.ingest.offsets import Position, begin_partition
from shop_platform.ingest.write import write_batch
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import START, page_view


@dataclass
class Sent:
    """What confluent-kafka gives for a message."""

    place: tuple[str, int]
    at: int
    content: bytes | None
    heads: list[tuple[str, bytes | None]] = field(default_factory=list)

    def topic(self):
        return self.place[0]

    def partition(self):
        return self.place[1]

    def offset(self):
        return self.at

    def key(self):
        return b"k"

    def value(self):
        return self.content

    def headers(self):
        return self.heads

    def timestamp(self):
        return 1, 1_772_000_000_000


def _time_of(value):
    """Return the time that a producer's ledger holds of a message: the event's, where it is one."""
    try:
        return dt.datetime.fromisoformat(value["time"]).isoformat()
    except (TypeError, ValueError, KeyError):
        return START.isoformat()


class Wire:
    """Sends messages into one warehouse and keeps the producer's ledger, as a broker and a producer would."""

    def __init__(self, settings, topic="shop.web", partition=0, topic_id="topic-a"):
        self.settings = settings
        self.place = (topic, partition)
        self.waiting = []
        self.ledger = settings.ledger_dir / "produced" / "wire.tsv"
        self.ledger.parent.mkdir(parents=True, exist_ok=True)
        with connect(settings, Role.INGEST, autocommit=True) as connection:
            self.position = begin_partition(connection, topic, partition, topic_id, 0, "wire")

    def send(self, value, event_id=None, *, header=True):
        """Queue a message known by ``event_id`` (a new one if none is given); returns the id."""
        event_id = event_id or str(uuid.uuid4())
        content = json.dumps(value).encode() if isinstance(value, dict) else value
        heads = [("ce_id", event_id.encode())] if header else []
        offset = self.position.next_offset + len(self.waiting)
        self.waiting.append(Sent(self.place, offset, content, heads))
        if header:
            with self.ledger.open("a", encoding="utf-8") as file:
                topic, partition = self.place
                file.write(f"{event_id}\t{topic}\t{partition}\t{offset}\t{_time_of(value)}\n")
        return event_id

    def deliver(self, contract=CONTRACT):
        """Land what is queued."""
        marks = {self.place: Mark(self.position.next_offset, self.position.watermark_us)}
        batch = sort_messages(self.waiting, marks, contract=contract)
        with connect(self.settings, Role.INGEST, autocommit=True) as connection:
            prepare(connection)
            (written,) = write_batch(connection, batch, {self.place: self.position}, writer="wire")
        self.position, self.waiting = written.position, []
        return written

    def begin_again(self):
        """Let the log lose its end: offsets are used a second time, in the next incarnation."""
        with connect(self.settings, Role.ADMIN, autocommit=True) as admin:
            admin.execute("update ops.ingest_offsets set incarnation = incarnation + 1, next_offset = 0")
        before = self.position
        self.position = Position(before.topic, before.partition, before.topic_id, 0, before.incarnation + 1)


def broken(number=1, **changes):
    """Return a page view without its page (data_invalid), and the same mended."""
    good = page_view(number, **changes)
    bad = json.loads(json.dumps(good))
    del bad["data"]["page"]
    return bad, good


def query(settings, statement, *parameters):
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        return admin.execute(statement, parameters).fetchall()


def letters(settings, columns="dead_letter_id, status, outcome"):
    return query(settings, f"select {columns} from ops.dead_letters order by dead_letter_id")


def actions(settings, letter_id):
    return query(
        settings,
        "select action, outcome from ops.dead_letter_actions where dead_letter_id = %s order by action_id",
        letter_id,
    )


def assert_books_balance(settings):
    """I1, and the ledger by hour against what is in raw and on the desk."""
    verdict = reconcile(settings, record=False)
    assert verdict.holds, verdict
    assert_hours_add_up(settings)


def assert_hours_add_up(settings):
    tables = " union all ".join(
        f"select event_id, event_time from raw.{subject}"
        for subject in ("customers", "products", "inventory", "web", "orders", "returns", "marketing")
    )
    noted = query(
        settings,
        "select event_hour, sum(landed) from ops.ingest_hours group by 1 having sum(landed) <> 0 order by 1 nulls last",
    )
    landed = query(
        settings, f"select date_trunc('hour', event_time), count(*) from ({tables}) as r group by 1 order by 1"
    )
    assert noted == landed, (noted, landed)
    noted = query(
        settings,
        "select topic, partition, incarnation, event_hour, sum(dead) from ops.ingest_hours group by 1, 2, 3, 4"
        " having sum(dead) <> 0 order by 1, 2, 3, 4 nulls last",
    )
    dead = query(
        settings,
        "select topic, partition, incarnation, date_trunc('hour', event_time), count(*) from ops.dead_letters"
        " where status <> 'replayed' group by 1, 2, 3, 4 order by 1, 2, 3, 4 nulls last",
    )
    assert noted == dead, (noted, dead)
    ((total, read),) = query(
        settings,
        "select (select coalesce(sum(landed + duplicates + dead), 0) from ops.ingest_hours),"
        " (select coalesce(sum(messages), 0) from ops.ingest_batches)",
    )
    assert total == read


def as_json(document):
    return json.dumps(document).encode()


def one_broken(wire, number=1):
    bad, good = broken(number)
    wire.send(bad, bad["id"])
    wire.deliver()
    return letters(wire.settings)[-1][0], good
