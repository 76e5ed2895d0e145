"""A customer's address is planted into every text of every event type, in several spellings; an erasure leaves none."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import uuid
from typing import Any

import pytest
from msgspec import inspect

from shop_platform.events import personal
from shop_platform.events.decode import Contract
from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS, Kept, family
from shop_platform.events.registry import EVENT_TYPES, TOPIC_OF_TYPE, TOPICS
from shop_platform.operations.erase import look, reapply
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support import people as p
from tests.support.events import event

CUSTOMER, SESSION, ORDER = "cus_1", "ses_1", "ord_1"
ADDRESS = "Eva.Planted@private.example"
SPELLINGS = (
    ADDRESS,
    ADDRESS.upper(),
    "eva.planted%40private.example",
    r"eva.planted\u0040private.example",
    "/welcome?mail=EVA.PLANTED%2540private.example&utm_source=eva.planted@private.example#planted",
    "to &lt;eva.planted&#64;private.example&gt;",
)
WORD = "planted-10"
LEFT_OVERS = ("planted", "private")
_HERE = "<here>"
_KNOWN = {"customer_id": CUSTOMER, "session_id": SESSION, "order_id": ORDER, "total": "20.00", "currency": "EUR"}
_SAMPLES = ("10.00", "EUR", "DE", "word")


def sample(kind: Any, name: str = "") -> Any:
    """Return a value that the contract takes."""
    if name in _KNOWN:
        return _KNOWN[name]
    match kind:
        case inspect.Metadata():
            return sample(kind.type, name)
        case inspect.StructType():
            return {field.encode_name: sample(field.type, field.encode_name) for field in kind.fields}
        case inspect.UnionType():
            return sample(next(each for each in kind.types if not isinstance(each, inspect.NoneType)), name)
        case inspect.VarTupleType():
            return [sample(kind.item_type, name)]
        case inspect.StrType():
            return next(text for text in _SAMPLES if kind.pattern is None or re.search(kind.pattern, text))
        case inspect.LiteralType():
            return next((code for code in _SAMPLES if code in kind.values), kind.values[0])
        case inspect.DateTimeType():
            return "2026-01-01T00:00:00Z"
        case inspect.DateType():
            return dt.date(2026, 3, 1).isoformat()
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 1
    raise AssertionError(kind)


def strings(node: Any, path: tuple[Any, ...] = ()) -> Any:
    """Yield the path of every string."""
    if isinstance(node, str):
        yield path
    for name, below in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from strings(below, (*path, name))


def planted(document: dict[str, Any], path: tuple[Any, ...], spelling: str) -> bytes:
    """Return the bytes of ``document`` under another id, with ``spelling`` at ``path`` just as it is written."""
    copy = json.loads(json.dumps(document)) | {"id": str(uuid.uuid4())}
    node = copy
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = _HERE
    return json.dumps(copy).replace(_HERE, spelling).encode()


def whole(name: str) -> dict[str, Any]:
    kind = EVENT_TYPES[name]
    data = sample(inspect.type_info(kind.payload))
    return event(name, data[kind.subject_field], data)


TEXTS = {
    name: {**dict.fromkeys(PERSONAL_FIELDS.get(family(name), ())), **KEPT_TEXTS.get(family(name), {})}
    for name in EVENT_TYPES
}
"""The free texts of every type, and how they are kept."""


def plants():
    """Yield (topic, bytes) for every string of every type: what lands, what does not, and what was cut off."""
    turn = itertools.count()
    for name in EVENT_TYPES:
        document, topic = whole(name), TOPIC_OF_TYPE[name].name
        for path in strings(document):
            # The envelope is the same for all types.
            if path == ("id",) or (path[0] != "data" and name != "shop.web.page_viewed.v1"):
                continue
            values = [planted(document, path, spelling) for spelling in SPELLINGS]
            yield from ((topic, value) for value in values)
            yield topic, values[next(turn) % len(values)][:-1]
        for path, how in TEXTS[name].items():
            if how is not Kept.PUBLIC and path != "birth_date":
                yield topic, planted(document, ("data", *path.split(".")), WORD)


@pytest.fixture
def road(fresh_warehouse):
    road = p.Road(fresh_warehouse.settings)
    yield road
    road.close()


def account():
    known = p.created(CUSTOMER)
    known["data"]["email"] = ADDRESS
    return known


def test_nothing_is_left_of_what_was_planted_anywhere(road):
    sent = list(plants())
    bystander = p.created("cus_2")
    bystander["data"] |= {
        "email": "joan@other.example",
        "first_name": "Joan",
        "last_name": "Other",
        "phone": "12345678",
    }
    bystander["data"]["address"]["street"] = "Otherstreet 2"
    road.land(account(), bystander, p.session_started(SESSION, CUSTOMER), p.ordered(ORDER, CUSTOMER, SESSION))
    written = road.land(*sent)
    landed = {
        name for topic in TOPICS for (name,) in p.rows(road.settings, f"select event_type from raw.{topic.subject}")
    }
    assert landed == {name for name, texts in TEXTS.items() if texts}, "with a text that may hold anything"
    assert sum(each.dead for each in written) > sum(each.landed for each in written) > 100

    before = p.places_with(road.settings, LEFT_OVERS)
    # A word in a town, a coupon and a page; everything in what did not land.
    assert before.keys() - {"raw.web_default", "raw.web_before"} == {
        "pii.personal_data", "ops.dead_letters", "raw.customers", "raw.orders", "raw.web"
    }  # fmt: skip
    # At the door already: no address is anywhere but apart.
    raw = " union all ".join(f"select source || data::text as line from raw.{topic.subject}" for topic in TOPICS)
    assert p.rows(road.settings, f"select line from ({raw}) as r where line ~* 'private|.@.|%40|#64'") == []

    found = look(road.settings, CUSTOMER)
    assert min(found.personal_data, found.search_words, found.of_orders, found.texts, found.dead_letters) > 0
    road.land(p.erased(CUSTOMER))
    assert p.places_with(road.settings, LEFT_OVERS) == {}
    left = look(road.settings, CUSTOMER)
    assert left.personal == 0
    assert p.rows(road.settings, "select subject from pii.personal_data") == [("cus_2",)]
    assert p.rows(road.settings, "select data #>> '{address,city}' from raw.customers where subject = 'cus_2'") == [
        ("Berlin",)
    ]
    assert reconcile(road.settings).hours.holds
    done = reapply(road.settings)
    assert (done.customers, done.personal_data, done.dead_letters) == (1, 0, 0)


def coupons(road):
    return p.rows(
        road.settings, "select subject, data ->> 'coupon' from raw.orders where event_type like '%placed%' order by 1"
    )


def with_coupon(order, customer, coupon):
    placed = p.ordered(order, customer)
    placed["data"]["coupon"] = coupon
    return placed


def test_a_coupon_stays_while_somebody_has_it_who_did_not_ask_to_be_forgotten(road):
    own = with_coupon("o3", "cus_1", "EVA-10")
    road.land(
        with_coupon("o1", "cus_1", "SPRING"), with_coupon("o2", "cus_2", "SPRING"),
        own, p.ordered("o6", "cus_1"),
        with_coupon("o4", "cus_1", "for two"), with_coupon("o5", "cus_3", "for two"),
    )  # fmt: skip
    before = dict(p.rows(road.settings, "select subject, _xid::text from raw.orders"))
    road.land(p.erased("cus_1"))
    kept = {"o1": "SPRING", "o2": "SPRING", "o3": "[removed]", "o4": "for two", "o5": "for two", "o6": None}
    assert dict(coupons(road)) == kept
    assert dict(p.rows(road.settings, "select subject, _xid::text from raw.orders")) == before, "who landed them stays"
    assert p.rows(road.settings, "select order_id from ops.erased_coupons") == [("o3",)]
    road.land(p.erased("cus_3"))
    assert dict(coupons(road)) == kept | {"o4": "[removed]", "o5": "[removed]"}
    road.land(with_coupon("o7", "cus_3", "EVA-AGAIN"), with_coupon("o8", "cus_3", "SPRING"))
    assert dict(coupons(road)) == kept | {"o4": "[removed]", "o5": "[removed]", "o7": "[removed]", "o8": "SPRING"}
    (again,) = road.land(own)
    assert (again.duplicates, again.dead) == (1, 0)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_an_event_that_is_keyed_by_an_order_can_declare_what_is_personal(road, monkeypatch, order):
    monkeypatch.setitem(personal.PERSONAL_FIELDS, "shop.order.cancelled", ("reason",))
    cancelled = event(
        "shop.order.cancelled.v1", ORDER, {"order_id": ORDER, "reason": "planted", "cancelled_by": "customer"}
    )
    other = cancelled | {"id": str(uuid.uuid4()), "subject": "ord_2"}
    other["data"] = cancelled["data"] | {"order_id": "ord_2"}
    steps = [cancelled, p.ordered(ORDER, CUSTOMER), p.erased(CUSTOMER)]
    contract = Contract(TOPICS)
    road.land(other, p.ordered("ord_2", "cus_2"), contract=contract)
    for step in order:
        road.land(steps[step], contract=contract)
    assert p.rows(road.settings, "select subject, customer_id, data from pii.personal_data") == [
        ("ord_2", None, {"reason": "planted"})
    ]
    assert p.places_with(road.settings, LEFT_OVERS) == {"pii.personal_data": 1}


def test_a_page_keeps_its_allowed_parameters_and_loses_everything_with_its_customer(road):
    start = p.session_started(SESSION, CUSTOMER)
    start["data"]["landing_page"] = "/hello/eva?utm_source=letter&email=x%40y.example"
    other = p.session_started("ses_2")
    other["data"]["landing_page"] = "/sale?utm_source=letter&q=secret#me"
    road.land(start, other)
    pages = "select subject, data ->> 'landing_page', data -> 'landing_page_parameters' from raw.web order by 1"
    assert p.rows(road.settings, pages) == [
        (SESSION, "/hello/eva", {"utm_source": "letter"}),
        ("ses_2", "/sale", {"utm_source": "letter"}),
    ]
    road.land(p.erased(CUSTOMER))
    left = [(SESSION, None, None), ("ses_2", "/sale", {"utm_source": "letter"})]
    assert p.rows(road.settings, pages) == left
    (again,) = road.land(start, other)
    assert (again.duplicates, again.dead) == (2, 0), "what was taken out does not make it another event"
    start["data"]["device"] = "desktop"
    (reused,) = road.land(start)
    assert (reused.duplicates, reused.dead) == (0, 1)
    assert p.rows(road.settings, pages) == left


def test_what_was_retracted_is_erased_too(road):
    start, order = p.session_started(SESSION, CUSTOMER), with_coupon("o1", CUSTOMER, "planted-10")
    start["data"]["landing_page"] = "/planted"
    wish = with_coupon("o2", CUSTOMER, ADDRESS)
    road.land(start, order, wish, account())
    with connect(road.settings, Role.ADMIN) as admin:
        for area, events in (("web", [start]), ("orders", [order, wish])):
            ids = [each["id"] for each in events]
            admin.execute("select ops.retract(%s, %s::uuid[], 'test', 'a test')", [area, ids])
    assert p.places_with(road.settings, LEFT_OVERS) == {"ops.retractions": 2, "pii.personal_data": 2}
    road.land(p.erased(CUSTOMER))
    assert p.places_with(road.settings, LEFT_OVERS) == {}
    assert look(road.settings, CUSTOMER).personal == 0
