"""The fields of each event type, from columns to what its template takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from shop_platform.generator import campaigns, fulfilment, marketing, orders, sessions, stock
from shop_platform.generator.catalogue import PRICE_REASONS, product_texts
from shop_platform.generator.names import DIALLING, LOCALES, json_text
from shop_platform.generator.parameters import CARRIERS, CHANNELS, COUNTRIES, DEVICES, METHODS
from shop_platform.generator.population import address_and_name
from shop_platform.generator.tables import Column, Table

Fields = Iterable[tuple[Any, ...]]


def words(texts: Sequence[str]) -> list[bytes]:
    """Return words ready to stand between the quotes of a JSON string."""
    return [json_text(word) for word in texts]


_CHANNELS, _DEVICES, _COUNTRIES, _METHODS, CARRIER_WORDS = map(words, (CHANNELS, DEVICES, COUNTRIES, METHODS, CARRIERS))
_CAMPAIGNS = words([c.name for c in campaigns.CAMPAIGNS])
_OPTIONAL_CAMPAIGN = [*(b',"campaign":"%b"' % name for name in _CAMPAIGNS), b""]
_OPTIONAL_COUPON = [b"", *(b',"coupon":"%b"' % code.encode() for code in campaigns.COUPONS[1:])]
PAGES = [b'"page":"%b","page_type":"%b"' % (path.encode(), kind.encode()) for path, kind in sessions.PAGES]
_LANDINGS = words([path for path, _ in sessions.PAGES])
BOOL = [b"false", b"true"]


class Context:
    """What the templates need besides the event's own columns."""

    def __init__(self, seed: int, products: int) -> None:
        self.seed = seed
        self.texts = product_texts(seed, products)
        self.products = [text.product for text in self.texts]


def lookup(choices: Sequence[bytes], index: Column) -> list[bytes]:
    """Return the word at each index."""
    return [choices[i] for i in index.tolist()]


def money(cents: Column) -> tuple[list[int], list[int]]:
    """Return cents as whole and hundredth parts."""
    whole, rest = np.divmod(cents, 100)
    return whole.tolist(), rest.tolist()


def dates(days: Column) -> list[bytes]:
    """Return days since 1970-01-01 as ISO dates."""
    texts: list[bytes] = days.astype("datetime64[D]").astype("S10").tolist()
    return texts


def _optional(template: bytes, numbers: Column) -> list[bytes]:
    return [template % number if number else b"" for number in numbers.tolist()]


def person(c: Context, t: Table) -> list[bytes]:
    """Return the contact details of each row as a JSON fragment."""
    made = []
    template = (
        b'"email":"%b","first_name":"%b","last_name":"%b","address":{"street":"%b","postal_code":"%b","city":"%b",'
        b'"country":"%b","region":"%b"},"locale":"%b","marketing_consent":%b%b'
    )
    codes, locales = [code.encode() for code in DIALLING], [locale.encode() for locale in LOCALES]
    columns = (t["country"].tolist(), t["consent"].tolist(), t["phone"].tolist())
    for person, country, consent, phone in zip(address_and_name(c.seed, t), *columns, strict=True):
        number = b',"phone":"%b%d"' % (codes[country], phone) if phone else b""
        *name, street, postcode, city, region = person
        where = (street, postcode, city, _COUNTRIES[country], region, locales[country])
        made.append(template % (*name, *where, BOOL[consent], number))
    return made


def customer_created(c: Context, t: Table) -> Fields:
    """Return person, channel and optional birth date."""
    birth = [
        b',"birth_date":"%b"' % day if known else b"" for day, known in zip(dates(t["birth"]), t["birth"], strict=True)
    ]
    return zip(person(c, t), lookup(_CHANNELS, t["channel"]), birth, strict=True)


def product_description(c: Context, t: Table) -> list[bytes]:
    """Return name, category, subcategory and brand of each row as a JSON fragment."""
    made = []
    editions = t.get("edition", np.ones(len(t["product"]), np.int64))
    for product, edition in zip(t["product"].tolist(), editions.tolist(), strict=True):
        text = c.texts[product]
        name = text.name if edition == 1 else b"%b (edition %d)" % (text.name, edition)
        row = (name, text.category, text.subcategory, text.brand)
        made.append(b'"name":"%b","category":"%b","subcategory":"%b","brand":"%b"' % row)
    return made


def product_created(c: Context, t: Table) -> Fields:
    """Return SKU, description, price and cost."""
    skus = [c.texts[product].sku for product in t["product"].tolist()]
    return zip(skus, product_description(c, t), *money(t["price"]), *money(t["cost"]), strict=True)


def price_changed(c: Context, t: Table) -> Fields:
    """Return old price, price, cost and reason."""
    amounts = (*money(t["old_price"]), *money(t["price"]), *money(t["cost"]))
    return zip(*amounts, lookup(words(PRICE_REASONS), t["reason"]), strict=True)


def stock_changed(c: Context, t: Table) -> Fields:
    """Return delta, level, reason and optional order."""
    order = _optional(b',"order_id":"ord_%d"', t["order"])
    return zip(t["delta"].tolist(), t["level"].tolist(), lookup(words(stock.REASONS), t["reason"]), order, strict=True)


def session_started(c: Context, t: Table) -> Fields:
    """Return visitor, channel, device, country, landing page and options."""
    return zip(
        t["visitor"].tolist(),
        lookup(_CHANNELS, t["channel"]),
        lookup(_DEVICES, t["device"]),
        lookup(_COUNTRIES, t["country"]),
        lookup(_LANDINGS, t["landing"]),
        _optional(b',"customer_id":"cus_%d"', t["shown"]),
        lookup(_OPTIONAL_CAMPAIGN, t["campaign"]),
        strict=True,
    )


def cart_changed(c: Context, t: Table) -> Fields:
    """Return visitor, product, delta, quantity and unit price."""
    units = (t["delta"].tolist(), t["quantity"].tolist())
    return zip(t["visitor"].tolist(), lookup(c.products, t["product"]), *units, *money(t["unit_price"]), strict=True)


def order_placed(c: Context, t: Table) -> Fields:
    """Return the whole order; its lines are rendered already."""
    amounts = [part for name in ("subtotal", "discount", "shipping", "tax", "total") for part in money(t[name])]
    return zip(
        t["customer"].tolist(), lookup(_CHANNELS, t["channel"]), lookup(_DEVICES, t["device"]),
        lookup(_COUNTRIES, t["country"]), t["lines"].tolist(), *amounts, t["session"].tolist(),
        lookup(_OPTIONAL_CAMPAIGN, t["campaign"]), lookup(_OPTIONAL_COUPON, t["coupon"]), strict=True,
    )  # fmt: skip


def paid(c: Context, t: Table) -> Fields:
    """Return payment, method and amount."""
    return zip(t["payment"].tolist(), lookup(_METHODS, t["method"]), *money(t["amount"]), strict=True)


def payment_failed(c: Context, t: Table) -> Fields:
    """Return payment, method, amount and reason."""
    reason = lookup(words(orders.FAILURES), t["reason"])
    return zip(t["payment"].tolist(), lookup(_METHODS, t["method"]), *money(t["amount"]), reason, strict=True)


def refund_issued(c: Context, t: Table) -> Fields:
    """Return order, amount, tax, reason, lines and optional return."""
    reason = t["reason"].tolist()
    returns = [
        b',"return_id":"ret_%d"' % order if cause == 0 else b""
        for order, cause in zip(t["order"].tolist(), reason, strict=True)
    ]
    why = lookup(words(fulfilment.REFUND_REASONS), t["reason"])
    return zip(
        t["order"].tolist(), *money(t["amount"]), *money(t["tax"]), why, t["lines"].tolist(), returns, strict=True
    )


def marketing_touched(c: Context, t: Table) -> Fields:
    """Return visitor, channel, campaign, kind, cost and options."""
    return zip(
        t["visitor"].tolist(),
        lookup(_CHANNELS, t["channel"]),
        lookup(_CAMPAIGNS, t["campaign"]),
        lookup(words(marketing.KINDS), t["kind"]),
        *money(t["cost"]),
        _optional(b',"customer_id":"cus_%d"', t["customer"]),
        _optional(b',"session_id":"ses_%d"', t["session"]),
        strict=True,
    )
