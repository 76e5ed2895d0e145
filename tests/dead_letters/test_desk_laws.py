"""Whatever is done in whatever order, every event is in raw or on the desk, never in both, never lost."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shop_platform.dead_letters.discard import discard, reopen
from shop_platform.dead_letters.fix import fix_one
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select
from shop_platform.errors import ShopError
from tests.dead_letters.wire import Wire, assert_books_balance, broken, query

ME = "me@desk"
LETTERS = 4

steps = st.lists(
    st.tuples(
        st.sampled_from(["fix", "fix badly", "replay", "replay all", "dry run", "discard", "reopen", "send again"]),
        st.integers(0, LETTERS - 1),
        st.integers(1, 3),
    ),
    max_size=14,
)


def take(step, wire, ids, goods, number, page):
    chosen, good = select(ids=[ids[number]]), goods[number]
    match step:
        case "fix":
            fix_one(wire.settings, ids[number], json.dumps(good).encode(), actor=ME)
        case "fix badly":
            fix_one(wire.settings, ids[number], json.dumps(good | {"data": {}}).encode(), actor=ME)
        case "replay":
            replay(wire.settings, chosen, actor=ME)
        case "replay all":
            replay(wire.settings, select(), actor=ME, page=page)
        case "dry run":
            replay(wire.settings, select(), actor=ME, page=page, dry_run=True)
        case "discard":
            discard(wire.settings, chosen, actor=ME, because="a law")
        case "reopen":
            reopen(wire.settings, chosen, actor=ME)
        case "send again":  # the very message, byte for byte, as a producer's retry would
            wire.send(broken(number)[0] | {"id": good["id"]}, good["id"])
            wire.deliver()


def landed_again(wire, good):
    return query(wire.settings, "select 1 from raw.web where event_id = %s", good["id"]) != []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_every_event_has_one_place(fresh_warehouse, taken):
    wire = getattr(fresh_warehouse, "wire", None) or Wire(fresh_warehouse.settings)
    object.__setattr__(fresh_warehouse, "wire", wire)
    goods = []
    for number in range(LETTERS):
        bad, good = broken(number)
        if number == LETTERS - 1:  # two messages of one event
            good, bad = goods[0], broken(0)[0] | {"id": goods[0]["id"]}
        wire.send(bad, good["id"])
        goods.append(good)
    wire.deliver()
    ids = [
        row[0] for row in query(wire.settings, "select dead_letter_id from ops.dead_letters order by 1 desc limit 4")
    ]
    ids.reverse()
    for step, number, page in taken:
        if step == "send again" and landed_again(wire, goods[number]):
            continue  # a malformed copy of what has landed waits on the desk until a replay settles it
        try:
            take(step, wire, ids, goods, number, page)
        except ShopError as refusal:
            assert refusal.message.startswith(("Dead letter", "The value is not"))
        assert_books_balance(wire.settings)
    # Whatever happened, what was not discarded can still land: nothing is stuck.
    discarded = {
        i for (i,) in query(wire.settings, "select dead_letter_id from ops.dead_letters where status = 'discarded'")
    }
    for letter_id in discarded:
        reopen(wire.settings, select(ids=[letter_id]), actor=ME)
    for letter_id, good in zip(ids, goods, strict=True):
        try:
            fix_one(wire.settings, letter_id, json.dumps(good).encode(), actor=ME)
        except ShopError:
            assert landed_again(wire, good)
    assert replay(wire.settings, select(), actor=ME).still_invalid == 0
    assert query(wire.settings, "select count(*) from ops.dead_letters where status <> 'replayed'") == [(0,)]
    assert_books_balance(wire.settings)
