"""After the payment: parcels, cancellations before they leave, returns and the money that goes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shop_platform.generator import stock
from shop_platform.generator.catalogue import CATEGORIES, category_of, product_texts
from shop_platform.generator.draws import choose, share_of
from shop_platform.generator.orders import Payments, Placed, joined
from shop_platform.generator.parameters import DAY, HOUR, Pace, Parameters
from shop_platform.generator.rollout import Rollout
from shop_platform.generator.seasons import LocalTime, weekday
from shop_platform.generator.tables import Column, Ints, Mask, Table, rows

CANCEL_REASONS = ("payment_failed", "changed_mind", "found_cheaper", "damaged_in_warehouse")
CANCELLED_BY = ("system", "customer", "customer", "shop")
RETURN_REASONS = ("does_not_fit", "not_as_described", "defective", "changed_mind")
REFUND_REASONS = ("return", "late_delivery")
_RETURN, _LATE = 0, 1
_OPENS, _CLOSES = 8 * HOUR, 17 * HOUR
_FITS_OR_NOT = (("fashion", "shoes"), (0.55, 0.12, 0.06, 0.27), (0.04, 0.28, 0.30, 0.38))
_ARRIVES = 0.95
_GOODWILL_PERCENT = 10


@dataclass(frozen=True)
class Parcels:
    """When each order left and arrived (epoch ms, 0: never), the promised local day, and the events."""

    delivered_at: Ints
    late: Mask
    events: dict[str, Table]


def _days(rng: np.random.Generator, low: float, high: float, count: int, pace: Pace) -> Ints:
    return 1 + (rng.uniform(low, high, count) * DAY * pace.fulfil).astype(np.int64)


def _hours_of_day(rng: np.random.Generator, count: int) -> Ints:
    return rng.integers(_OPENS, _CLOSES, count)


def ship(
    rng: np.random.Generator, p: Parameters, pace: Pace, local: LocalTime, orders: Table, payments: Payments
) -> Parcels:
    """Cancel some orders, send the parcels of the others, on working days, and let them arrive, some too late.

    At a faster pace late parcels still arrive after the promised calendar day: they stay under way in real time.
    """
    count = len(orders["order"])
    paid = payments.paid_at > 0
    shipped = _leaves(rng, pace, local, np.where(paid, payments.paid_at, orders["time"]))
    ship_day = local.day(shipped)
    promised = ship_day + np.asarray(p.promised_days)[orders["country"]]
    promised += weekday(promised) == 6
    carrier = choose(rng, p.carrier, count)
    late = rng.random(count) < np.asarray(p.carrier_late)[carrier]
    late_day = promised + rng.geometric(0.5, count)
    late_at = local.utc((late_day + (weekday(late_day) == 6)) * DAY + _hours_of_day(rng, count))
    if pace.seasonal:
        day = ship_day + 1 + (rng.beta(1.5, 2.5, count) * (promised - ship_day)).astype(np.int64)
        in_time = local.utc((day + (weekday(day) == 6)) * DAY + _hours_of_day(rng, count))
    else:
        in_time = shipped + _days(rng, 1.0, 3.0, count, pace)
    delivered = np.where(late, late_at, in_time)

    cause = choose(rng, (1 - p.cancelled_by_customer - p.cancelled_by_shop, p.cancelled_by_customer * 0.8,
                         p.cancelled_by_customer * 0.2, p.cancelled_by_shop), count)  # fmt: skip
    before = payments.paid_at + 1 + (rng.uniform(0.05, 0.9, count) * (shipped - payments.paid_at - 2)).astype(np.int64)
    cancelled = ~paid | (cause > 0)
    cancelled_at = np.where(paid, before, payments.given_up_at)
    leaves = ~cancelled
    number = orders["order"]
    events = {
        "order_cancelled": rows(
            {"time": cancelled_at, "order": number, "reason": np.where(paid, cause, 0), "row": np.arange(count)},
            cancelled,
        ),
        "order_shipped": rows({"time": shipped, "order": number, "carrier": carrier, "promised": promised}, leaves),
        "order_delivered": rows({"time": delivered, "order": number}, leaves),
    }
    return Parcels(np.where(leaves, delivered, 0), late & leaves, events)


def _leaves(rng: np.random.Generator, pace: Pace, local: LocalTime, paid_at: Ints) -> Ints:
    count = len(paid_at)
    if not pace.seasonal:
        return paid_at + 2 + _days(rng, 0.15, 0.7, count, pace)
    ready = local.local(paid_at + (rng.uniform(1.5, 8.0, count) * HOUR).astype(np.int64))
    day, clock = np.divmod(ready, DAY)
    open_ = (clock >= _OPENS) & (clock < _CLOSES) & (weekday(day) != 6)
    day = np.where(clock >= _CLOSES, day + 1, day)
    day += weekday(day) == 6
    return local.utc(day * DAY + np.where(open_, clock, _hours_of_day(rng, count)))


def send_back(
    rng: np.random.Generator, p: Parameters, pace: Pace, placed: Placed, parcels: Parcels, seed: int, rollout: Rollout
) -> dict[str, Table]:
    """Return the returns and refunds of the delivered orders, and the stock events of units that can be sold again.

    ``rollout`` decides which refunds are told in version 2 of their event.
    """
    orders, lines = placed.orders, placed.lines
    count = len(orders["order"])
    category = category_of(p.products)[lines["product"]]
    chance = np.array([c.returned for c in CATEGORIES])[category]
    arrived = parcels.delivered_at > 0
    back = arrived[lines["order_row"]] & (rng.random(len(category)) < chance)
    part = rows(lines, back)
    units = np.where(rng.random(len(part["line"])) < 0.8, part["quantity"], rng.integers(1, part["quantity"] + 1))
    fits = np.isin(category[back], [i for i, c in enumerate(CATEGORIES) if c.name in _FITS_OR_NOT[0]])
    reason = np.where(fits, choose(rng, _FITS_OR_NOT[1], len(units)), choose(rng, _FITS_OR_NOT[2], len(units)))
    returns = np.unique(part["order_row"])

    wait = np.minimum(0.3 + rng.exponential(4.5, count), 28.0)
    requested = parcels.delivered_at + 1 + (wait * DAY * pace.fulfil).astype(np.int64)
    received = requested + _days(rng, 1.5, 8.0, count, pace)
    refunded = received + _days(rng, 0.1, 2.5, count, pace)
    arrives = returns[rng.random(len(returns)) < _ARRIVES]
    reaches = np.isin(part["order_row"], arrives)
    refund = rows(part, reaches) | {"units": units[reaches]}
    refund["amount"] = share_of(refund["gross"] - refund["discount"], refund["units"], refund["quantity"])
    refund["tax"] = share_of(refund["tax"], refund["units"], refund["quantity"])

    happy = np.setdiff1d(np.flatnonzero(parcels.late & (parcels.delivered_at > 0)), returns)
    soothed = happy[rng.random(len(happy)) < p.goodwill_when_late]
    gift = rows(lines, (lines["line"] == 1) & np.isin(lines["order_row"], soothed))
    percent, hundred = np.full(len(soothed), _GOODWILL_PERCENT), np.full(len(soothed), 100)
    gift["units"], gift["amount"] = gift["quantity"], share_of(gift["gross"] - gift["discount"], percent, hundred)
    gift["tax"] = share_of(gift["tax"], percent, hundred)
    gift_at = parcels.delivered_at + _days(rng, 0.5, 3.0, count, pace)

    restocked = rng.random(len(refund["line"])) < p.restocked
    number = orders["order"]
    refunds = _join(
        _refunds(refunded, number, refund, arrives, _RETURN, seed, p.products, rollout),
        _refunds(gift_at, number, gift, soothed, _LATE, seed, p.products, rollout),
    )
    is_new = refunds.pop("is_new")
    return {
        "return_requested": {
            "time": requested[returns], "order": number[returns], "customer": orders["customer"][returns],
            "lines": _return_lines(part, units, reason, returns, seed, p.products),
        },
        "return_received": {"time": received[arrives], "order": number[arrives]},
        "refund_issued": rows(refunds, ~is_new),
        "refund_issued_v2": rows(refunds, is_new),
        "stock_changed": stock.order_events(
            received[refund["order_row"]][restocked] + 1, refund["product"][restocked], refund["units"][restocked],
            stock.RETURN, number[refund["order_row"]][restocked],
        ),
    }  # fmt: skip


def _join(first: Table, second: Table) -> Table:
    return {name: np.concatenate([first[name], second[name]]) for name in first}


def _return_lines(part: Table, units: Ints, reason: Ints, returns: Ints, seed: int, products: int) -> Column:
    texts = product_texts(seed, products)
    made: list[list[bytes]] = [[] for _ in returns]
    template = b'{"line_number":%d,"product_id":"%b","quantity":%d,"reason":"%b"}'
    words = [word.encode() for word in RETURN_REASONS]
    at = np.searchsorted(returns, part["order_row"]).tolist()
    columns = (part["line"], part["product"], units, reason)
    for row, line, product, quantity, why in zip(at, *(c.tolist() for c in columns), strict=True):
        made[row].append(template % (line, texts[product].product, quantity, words[why]))
    return joined(made)


def _refunds(
    when: Ints, number: Ints, lines: Table, order_rows: Ints, reason: int, seed: int, products: int, rollout: Rollout
) -> Table:
    texts = product_texts(seed, products)
    made: list[list[bytes]] = [[] for _ in order_rows]
    first = b'{"line_number":%d,"product_id":"%b","quantity":%d,"amount":"%d.%02d"}'
    second = b'{"line_number":%d,"product_id":"%b","quantity":%d,"refunded":{"net":"%d.%02d","tax":"%d.%02d"}}'
    at = np.searchsorted(order_rows, lines["order_row"])
    is_new = rollout.is_new(when[order_rows], number[order_rows])
    columns = (at, is_new[at], lines["line"], lines["product"], lines["units"], lines["amount"], lines["tax"])
    for row, new, line, product, quantity, amount, tax in zip(*(c.tolist() for c in columns), strict=True):
        what = (line, texts[product].product, quantity, *divmod(amount, 100))
        made[row].append(second % (*what, *divmod(tax, 100)) if new else first % what)
    count = len(order_rows)
    return {
        "time": when[order_rows], "order": number[order_rows], "reason": np.full(count, reason), "is_new": is_new,
        "amount": np.bincount(at, lines["amount"], count).astype(np.int64),
        "tax": np.bincount(at, lines["tax"], count).astype(np.int64), "lines": joined(made),
    }  # fmt: skip
