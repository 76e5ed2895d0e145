"""What the contract allows and no sane shop does: the marts must neither crash nor depend on the order of arrival."""

from __future__ import annotations

from tests.chaos.processes import read_everything
from tests.chaos.stream import from_dbt, send
from tests.dbt import events as e

MOST = "999999999999.99"


def day(number: int) -> str:
    return f"2026-03-{number:02d} 10:00"


def told(world, *batches):
    """Send, read and transform batch after batch, then prove both invariants."""
    settings = world.begin()
    for number, batch in enumerate(batches):
        if number:
            world.transform()
        send(settings, [from_dbt(event) for event in batch], f"chaos-{number:06d}")
        read_everything(settings)
    world.prove(settings)


def test_every_number_at_its_bound(world):
    line = ("desk", 100_000, MOST, MOST, MOST)
    amounts = dict.fromkeys(("subtotal", "discount", "tax", "shipping", "total"), MOST)
    orders = [e.order_placed(f"ord_{n}", day(1), [line] * 1_000, **amounts) for n in range(3)]
    after = [
        e.order_paid("ord_1", day(2), amount=MOST),
        e.refund_issued("ord_1", day(3), [(1, "desk", MOST)], tax=MOST),
        e.stock_changed("desk", day(3), 1_000_000, 1_000_000_000, "a"),
        e.stock_changed("desk", day(3), -1_000_000, 1_000_000_000, "b"),
        e.price_changed("desk", day(2), MOST),
        e.order_shipped("ord_2", day(4), "9999-12-31"),
        e.order_delivered("ord_2", day(5)),
        e.order_shipped("ord_0", day(4), "0001-01-01"),
        e.order_delivered("ord_0", day(5)),
    ]
    told(world, orders, after)


def test_a_payment_that_two_orders_claim(world):
    """Once the one that was told first paid earlier, once later."""
    told(
        world,
        [
            *(e.order_placed(f"ord_{n}", day(1)) for n in range(4)),
            e.order_paid("ord_0", day(3), payment_id="pay_1"),
            e.order_paid("ord_2", day(5), payment_id="pay_2"),
        ],
        [e.order_paid("ord_1", day(5), payment_id="pay_1"), e.order_paid("ord_3", day(3), payment_id="pay_2")],
    )


def test_a_refund_that_two_orders_claim(world):
    """Once the one that was told first is earlier, once later."""
    told(
        world,
        [
            *(e.order_placed(f"ord_{n}", day(1)) for n in range(4)),
            e.refund_issued("ord_0", day(3), refund_id="ref_1"),
            e.refund_issued("ord_2", day(5), refund_id="ref_2"),
        ],
        [e.refund_issued("ord_1", day(5), refund_id="ref_1"), e.refund_issued("ord_3", day(3), refund_id="ref_2")],
    )


def test_sessions_and_orders_that_are_told_twice_and_differ(world):
    told(
        world,
        [
            e.session_started("ses_1", day(2), channel="email"),
            e.order_placed("ord_1", day(2), session_id="ses_1"),
            e.order_placed("ord_2", day(1), session_id="ses_1", customer_id="ben"),
        ],
        [
            e.order_cancelled("ord_2", day(3)),
            e.session_started("ses_1", day(1), channel="direct", customer_id="dora"),
            e.order_placed("ord_1", day(1), session_id="ses_2", currency="USD"),
        ],
        [e.session_started("ses_2", day(4)), e.customer_erased("ben", day(1)), e.customer_created("ben", day(9))],
    )
