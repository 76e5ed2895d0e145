"""Orders: cart lines become order lines with money that adds up, and somebody tries to pay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shop_platform.generator.campaigns import COUPON_OF, COUPONS, DISCOUNT
from shop_platform.generator.catalogue import product_texts
from shop_platform.generator.draws import choose_by_row, round_half_up
from shop_platform.generator.parameters import HOUR, Pace, Parameters
from shop_platform.generator.tables import Column, Ints, Mask, Table, ranks

FAILURES = ("insufficient_funds", "card_declined", "authentication_failed", "timeout")
_WELCOME = COUPONS.index("WELCOME10")
_WELCOME_DISCOUNT = 0.10


@dataclass(frozen=True)
class Placed:
    """A window's orders (one row each) and their lines (``order_row`` points to the order), money in cents."""

    orders: Table
    lines: Table


def place(
    rng: np.random.Generator, p: Parameters, *, buyers: Table, new: Mask, number: Ints, carts: Table, seed: int
) -> Placed:
    """Return the orders of ``buyers`` (visits that order, with ``customer``); ``carts.buyer`` points to them."""
    campaign = buyers["campaign"]
    offered = np.where(campaign >= 0, DISCOUNT[campaign], 0.0)
    uses = (offered > 0) & (rng.random(len(number)) < p.campaign_coupon)
    welcome = ~uses & new & (rng.random(len(number)) < p.welcome_coupon)
    rate = np.where(uses, offered, np.where(welcome, _WELCOME_DISCOUNT, 0.0))
    coupon = np.where(uses, COUPON_OF[campaign], np.where(welcome, _WELCOME, 0))

    row = carts["buyer"]
    gross = carts["quantity"] * carts["unit_price"]
    discount = round_half_up(gross * rate[row])
    tax = round_half_up((gross - discount) * np.asarray(p.tax)[buyers["country"]][row])
    lines = {
        "order_row": row, "line": ranks(row) + 1, "product": carts["product"], "quantity": carts["quantity"],
        "unit_price": carts["unit_price"], "gross": gross, "discount": discount, "tax": tax,
    }  # fmt: skip

    def total(column: Ints) -> Ints:
        return np.bincount(row, column, len(number)).astype(np.int64)

    goods = total(gross) - total(discount)
    shipping = np.where(goods < p.free_shipping_from_cents, p.shipping_cents, 0)
    orders = {
        "time": buyers["order_at"],
        "order": number,
        "customer": buyers["customer"],
        "customer_row": buyers["customer_row"],
        "channel": buyers["channel"],
        "device": buyers["device"],
        "country": buyers["country"],
        "session": buyers["session"],
        "campaign": campaign,
        "coupon": coupon,
        "subtotal": total(gross),
        "discount": total(discount),
        "shipping": shipping,
        "tax": total(tax),
        "total": goods + shipping + total(tax),
        "lines": render_lines(lines, len(number), seed, p.products),
    }
    return Placed(orders, lines)


def render_lines(lines: Table, orders: int, seed: int, products: int) -> Column:
    """Return each order's lines as the inside of a JSON array (bytes)."""
    texts = product_texts(seed, products)
    template = (
        b'{"line_number":%d,"product_id":"%b","sku":"%b","quantity":%d,"unit_price":"%d.%02d","discount":"%d.%02d",'
        b'"tax":"%d.%02d"}'
    )
    made: list[list[bytes]] = [[] for _ in range(orders)]
    columns = ("order_row", "line", "product", "quantity", "unit_price", "discount", "tax")
    for row, line, product, quantity, price, discount, tax in zip(
        *(lines[name].tolist() for name in columns), strict=True
    ):
        text = texts[product]
        money = (*divmod(price, 100), *divmod(discount, 100), *divmod(tax, 100))
        made[row].append(template % (line, text.product, text.sku, quantity, *money))
    return joined(made)


def joined(fragments: list[list[bytes]]) -> Column:
    """Return each list's fragments with commas between them, as one bytes column."""
    return np.array([b",".join(parts) for parts in fragments], np.bytes_) if fragments else np.zeros(0, "S1")


@dataclass(frozen=True)
class Payments:
    """Attempts to pay: the events, and per order when it was paid (0: never) and when the last attempt failed."""

    paid: Table
    failed: Table
    paid_at: Ints
    given_up_at: Ints


def pay(rng: np.random.Generator, p: Parameters, pace: Pace, orders: Table) -> Payments:
    """Let every order be paid, with up to three attempts."""
    count = len(orders["order"])
    at = orders["time"] + 1 + (pace.browse * rng.uniform(3_000, 30_000, count)).astype(np.int64)
    method = choose_by_row(rng, p.method_by_country, orders["country"])
    paid_at = np.zeros(count, np.int64)
    paid_with = np.zeros(count, np.int64)
    attempt_of = np.zeros(count, np.int64)
    failed: list[Table] = []
    open_ = np.arange(count)
    for attempt, chance in enumerate(p.payment_succeeds, start=1):
        succeeds = rng.random(len(open_)) < chance
        done, open_ = open_[succeeds], open_[~succeeds]
        paid_at[done], paid_with[done], attempt_of[done] = at[done], method[done], attempt
        failed.append(
            {
                "time": at[open_],
                "order": orders["order"][open_],
                "payment": orders["order"][open_] * 10 + attempt,
                "method": method[open_],
                "amount": orders["total"][open_],
                "reason": rng.integers(0, len(FAILURES), len(open_)),
            }
        )
        if attempt < len(p.payment_succeeds):
            at[open_] += 1 + (pace.browse * rng.uniform(40_000, 400_000, len(open_))).astype(np.int64)
            method[open_] = choose_by_row(rng, p.method_by_country, orders["country"][open_])
    good = np.flatnonzero(paid_at)
    paid = {
        "time": paid_at[good], "order": orders["order"][good], "payment": orders["order"][good] * 10 + attempt_of[good],
        "method": paid_with[good], "amount": orders["total"][good],
    }  # fmt: skip
    given_up = np.where(paid_at == 0, at + 1 + (rng.uniform(0.5, 4.0, count) * HOUR * pace.fulfil).astype(np.int64), 0)
    everything = {name: np.concatenate([table[name] for table in failed]) for name in failed[0]}
    return Payments(paid, everything, paid_at, given_up)
