"""Events that contradict one another, or themselves: what the door let through before it knew the rule."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.dbt import events as e
from tests.dbt import events_orders as o

DAY = "2026-03-01 10:00"
LATER = "2026-03-02 10:00"


def told(event: e.Event, **data: Any) -> e.Event:
    """The same event with other content, whatever the contract says to it."""
    return dataclasses.replace(event, data=event.data | data)


def line(number: int = 1, **data: Any) -> dict[str, Any]:
    told = {"line_number": number, "product_id": "desk", "sku": "desk", "quantity": 1, "unit_price": "10.00"}
    return told | {"discount": "0.00", "tax": "1.90"} | data


def amounts(price: str, nothing: str, *, total: str, quantity: int = 1) -> dict[str, Any]:
    """An order of one line without tax, spelled with the decimals of its currency."""
    only = line(quantity=quantity, unit_price=price, discount=nothing, tax=nothing)
    rest = dict.fromkeys(("discount", "shipping", "tax"), nothing)
    return {"lines": [only], "subtotal": total, "total": total} | rest


EDITED = (e.order_placed("edited", DAY), e.order_placed("moved", DAY, coupon="SPRING"))

HOSTILE = [
    e.product_created("desk", "2020-01-01 00:00"),
    # The header contradicts its lines, its own total, or takes off more than there is.
    told(e.order_placed("total", DAY), total="999.00"),
    told(e.order_placed("subtotal", DAY), subtotal="500.00"),
    told(e.order_placed("cent", DAY), subtotal="10.01", tax="1.91"),
    told(e.order_placed("no-lines", DAY), lines=[]),
    told(e.order_placed("discount", DAY), lines=[line(discount="50.00")], discount="50.00", total="0.00"),
    told(e.order_placed("twice-the-line", DAY), lines=[line(), line()]),
    # Payments and refunds that do not go with their order.
    e.order_placed("usd", DAY, customer_id="ben"),
    o.refund_in("USD", e.order_paid("usd", LATER, "13.00")),
    o.refund_in("USD", e.refund_issued("usd", LATER, [(1, "desk", "5.00")], tax="0.95")),
    e.order_placed("nowhere", DAY, customer_id="frida"),
    o.refund_in("KES", e.order_paid("nowhere", LATER, "13.00")),
    e.order_paid("nowhere", LATER, "2.00", "pay-known"),
    o.refund_in("KES", e.refund_issued("nowhere", LATER, [(1, "desk", "5.00")])),
    e.refund_issued("nowhere", LATER, [(1, "desk", "1.00")], refund_id="known"),
    e.order_placed("shipping", DAY, shipping="4.90"),
    told(e.refund_issued("shipping", LATER), amount="14.90"),
    e.order_placed("too-much", DAY),
    e.refund_issued("too-much", LATER, [(1, "desk", "70.00"), (9, "ghost", "1.00")]),
    e.order_placed("lines-beyond", DAY),
    told(e.refund_issued("lines-beyond", LATER), amount="1.00"),
    # What went back in parts, each of which alone is fine; all that was paid, and nothing more.
    e.order_placed("in-parts", DAY),
    e.order_paid("in-parts", LATER, "23.80"),
    *(e.refund_issued("in-parts", LATER, [(1, "desk", "7.00")], refund_id=part) for part in ("one", "other")),
    e.order_placed("part-paid", DAY),
    e.order_paid("part-paid", LATER, "6.00"),
    e.refund_issued("part-paid", LATER, [(1, "desk", "6.01")]),
    e.order_placed("posted", DAY, shipping="4.90"),
    e.order_paid("posted", LATER, "16.80"),
    e.refund_issued("posted", LATER, [(1, "desk", "1.00")], shipping="4.91"),
    e.order_placed("all-back", DAY, shipping="4.90"),
    e.order_paid("all-back", LATER, "16.80"),
    e.refund_issued("all-back", LATER, tax="1.90", shipping="4.90"),
    e.order_placed("not-sold", DAY),
    e.order_paid("not-sold", LATER),
    e.refund_issued("not-sold", LATER, [(1, "ghost", "2.00"), (7, "desk", "3.00")]),
    # One order told by several events, alike but for the time, or not.
    *(e.order_placed("told-again", at) for at in (DAY, LATER)),
    e.order_placed("other-lines", DAY, [("desk", 1, "5.00", "0.00", "1.00"), ("lamp", 1, "5.00", "0.00", "1.00")]),
    e.order_placed("other-lines", LATER, [("desk", 1, "5.00", "0.00", "1.00"), ("desk", 1, "5.00", "0.00", "1.00")]),
    e.order_placed("other-coupon", DAY),
    e.order_placed("other-coupon", LATER, coupon="SPRING"),
    # Refunds, payments, sessions, touches, customers and products that two events tell, with one thing different.
    *(
        event
        for order, again in (
            ("refund-alike", {}),
            ("refund-amount", {"amount": "3.00"}),
            ("refund-reason", {"reason": "other"}),
            ("refund-lines", {"lines": [{"line_number": 1, "product_id": "lamp", "quantity": 1, "amount": "2.00"}]}),
        )
        for event in (
            e.order_placed(order, DAY, customer_id="rosa"),
            e.order_paid(order, DAY),
            e.refund_issued(order, LATER, [(1, "desk", "2.00")]),
            told(e.refund_issued(order, "2026-03-03 10:00", [(1, "desk", "2.00")]), **again),
        )
    ),
    *(
        event
        for order, again in (
            ("payment-alike", {}),
            ("payment-amount", {"amount": "9.00"}),
            ("payment-method", {"method": "invoice"}),
        )
        for event in (
            e.order_placed(order, DAY, customer_id="paul"),
            e.order_paid(order, LATER),
            told(e.order_paid(order, "2026-03-03 10:00"), **again),
        )
    ),
    *(e.order_placed(order, DAY, customer_id="paul") for order in ("payment-failed", "payment-recovered")),
    e.order_paid("payment-failed", LATER),
    e.payment_failed("payment-failed", "2026-03-03 10:00", payment_id="pay-payment-failed"),
    e.payment_failed("payment-recovered", LATER, payment_id="pay-payment-recovered"),
    e.order_paid("payment-recovered", "2026-03-03 10:00"),
    e.order_placed("paid-twice", DAY, customer_id="paul"),
    *(e.order_paid("paid-twice", LATER, payment_id=payment) for payment in ("one", "other")),
    *(e.order_placed(order, DAY, customer_id="paul") for order in ("parcel-alike", "parcel-day")),
    *(e.order_shipped("parcel-alike", at) for at in (LATER, "2026-03-03 10:00")),
    e.order_shipped("parcel-day", LATER),
    told(e.order_shipped("parcel-day", "2026-03-03 10:00"), promised_on="2026-03-20"),
    *(e.session_started("session-alike", at) for at in (DAY, LATER)),
    e.session_started("session-device", DAY),
    told(e.session_started("session-device", LATER), device="tablet"),
    *(told(e.marketing_touched("torn", at), touch_id="touch-alike") for at in (DAY, LATER)),
    told(e.marketing_touched("torn", DAY), touch_id="touch-cost"),
    told(e.marketing_touched("torn", LATER), touch_id="touch-cost", cost="7.00"),
    *(e.customer_created(customer, DAY) for customer in ("moved-twice", "moved-later")),
    told(e.customer_created("moved-twice", DAY), locale="fr-FR"),
    told(e.customer_created("moved-later", LATER), locale="fr-FR"),
    *(e.product_created(product, "2020-01-01 00:00") for product in ("two-prices", "two-names", "later-price")),
    e.price_changed("two-prices", "2020-01-01 00:00", "99.00"),
    told(e.product_created("two-names", "2020-01-01 00:00"), name="Another"),
    e.price_changed("later-price", "2020-01-02 00:00", "99.00"),
    # Refunds whose total is fine, and one part of which is not.
    e.order_placed("tax-back", DAY, customer_id="tara", shipping="4.00"),
    e.order_paid("tax-back", LATER, "15.90"),
    e.refund_issued("tax-back", LATER, [(1, "desk", "5.00")], tax="1.91"),
    *(
        event
        for order, lines in {
            "line-whole": [(1, "desk", "5.00"), (2, "lamp", "9.00")],
            "line-amount": [(1, "desk", "5.01")],
            "line-units": [(1, "desk", "2.00"), (1, "desk", "2.00")],
            "line-number": [(2, "desk", "4.00")],
            "line-number-amount": [(2, "desk", "6.00")],
        }.items()
        for event in (
            e.order_placed(order, DAY, [("desk", 1, "5.00", "0.00", "0.00"), ("lamp", 1, "9.00", "0.00", "0.00")]),
            e.order_paid(order, LATER, "14.00"),
            e.refund_issued(order, LATER, lines),
        )
    ),
    # All that was paid, back in three parts in another currency; and more than the roundings can make.
    *(
        event
        for order, parts in (("parts-usd", ("3.90", "3.91", "3.98")), ("parts-usd-and-more", ("3.92", "3.93", "4.00")))
        for event in (
            e.order_placed(order, DAY, [("desk", 5, "2.00", "0.00", "1.90")], customer_id="tom"),
            e.order_paid(order, LATER),
            *(
                o.refund_in("USD", e.refund_issued(order, LATER, [(1, "desk", part)], refund_id=f"part-{number}"))
                for number, part in enumerate(parts)
            ),
        )
    ),
    # Orders that were edited: one told anew in another currency, one that was placed on another day by its amendment.
    *EDITED,
    told(e.order_amended(EDITED[0], LATER, ("desk", 2, "10.00", "0.00", "3.80")), currency="USD"),
    o.refund_in("USD", e.refund_issued("edited", LATER, [(1, "desk", "5.00")])),
    told(e.order_amended(EDITED[1], LATER, ("desk", 1, "10.00", "0.00", "1.90")), placed_at="2026-02-20T10:00:00Z"),
    e.refund_issued("moved", LATER, [(1, "desk", "5.00")]),
    e.refund_issued("before-its-order", "2025-01-01 10:00"),
    e.order_placed("before-its-order", DAY),
    e.refund_issued("never-placed", LATER),
    # Customers of several currencies, with and without a rate.
    e.order_placed("first", "2026-02-01 10:00", customer_id="gustav", currency="CHF"),
    e.order_placed("second", DAY, customer_id="gustav"),
    e.order_placed("eur", "2026-02-01 10:00", customer_id="emil"),
    e.order_placed("unlisted", DAY, customer_id="emil", currency="KES"),
    # Clocks that are far off.
    *(
        event
        for year in ("1970", "1999", "2036", "2099")
        for event in (
            e.session_started(f"s{year}", f"{year}-01-01 12:00"),
            e.cart_changed(f"s{year}", f"{year}-01-01 12:05", "desk"),
            e.order_placed(f"o{year}", f"{year}-01-01 12:10", session_id=f"s{year}", customer_id=f"c{year}"),
            e.order_paid(f"o{year}", f"{year}-01-01 12:11"),
            e.order_shipped(f"o{year}", f"{year}-01-02 12:11"),
            e.refund_issued(f"o{year}", f"{year}-01-03 12:11"),
            e.stock_changed("desk", f"{year}-01-01 12:10", -1, 5),
            e.price_changed("desk", f"{year}-01-01 12:10", "12.00"),
            e.customer_created(f"c{year}", f"{year}-01-01 11:00"),
            e.marketing_touched(f"visitor-of-s{year}", f"{year}-01-01 11:59"),
        )
    ),
    # Currencies whose smallest unit is not a hundredth.
    *(
        told(e.order_placed(order, DAY, customer_id="yuki"), currency="JPY", **amounts(price, "0", total=price))
        for order, price in (("yen", "1001"), ("yen-2", "1002"))
    ),
    told(
        e.order_placed("dinar", DAY, customer_id="kai"),
        currency="KWD",
        **amounts("1.234", "0.000", quantity=3, total="3.702"),
    ),
    told(
        e.refund_issued("dinar", LATER),
        currency="KWD",
        amount="1.233",
        lines=[{"line_number": 1, "product_id": "desk", "quantity": 1, "amount": "1.233"}],
    ),
    # One id for things of two owners.
    e.order_paid("total", LATER, payment_id="same"),
    e.order_paid("cent", LATER, payment_id="same"),
    e.refund_issued("total", LATER, refund_id="same"),
    e.refund_issued("cent", LATER, refund_id="same"),
    e.order_placed("total", LATER, customer_id="someone-else", currency="JPY"),
    e.order_cancelled("subtotal", "1990-01-01 00:00"),
    e.order_delivered("discount", "2026-02-01 00:00"),
]
