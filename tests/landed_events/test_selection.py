"""What a person types to say which events are meant."""

from __future__ import annotations

import uuid

import pytest

from shop_platform.errors import ShopError
from shop_platform.landed_events.selection import select

ID = "019aa6b4-7c1e-7d3a-9f2e-5b1c0d4e8a77"


@pytest.mark.parametrize(
    "spelling",
    [
        ID,
        ID.upper(),
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f"URN:UUID:{ID.upper()}",
        f' "{ID}",',
        f"'{ID}'",
    ],
)
def test_every_spelling_of_one_id_is_that_id(spelling):
    assert select(ids=[spelling, ID]).ids == (uuid.UUID(ID),)


@pytest.mark.parametrize(
    "other",
    ["17", "", f"{{{ID}", f"{ID}}}", ID[:-1], f"{ID}{ID}", f"urn:oid:{ID}", ID.replace("9", "g"), f"{ID}, {ID}"],
)
def test_what_is_no_id_is_said_to_be_none(other):
    with pytest.raises(ShopError, match="is not the id of an event"):
        select(ids=[other])


def test_a_topic_goes_with_ids_and_nothing_else_does():
    assert select(ids=[ID], topic="web").topics == ("web",)
    assert select(ids=[ID], topic="shop.orders").topics == ("orders",)
    assert select(topic="web", event_type="order.placed").topics == ()
    with pytest.raises(ShopError, match="do not go together"):
        select(ids=[ID], topic="web", source="/shop")
    with pytest.raises(ShopError, match="not a known topic"):
        select(topic="wbe")
