"""The ``data`` of every version of every event type."""

from __future__ import annotations

from typing import Annotated

import msgspec

from shop_platform.events.vocabulary import (
    Amount,
    Code,
    Count,
    Country,
    Currency,
    Day,
    Delta,
    Identifier,
    LineNumber,
    Payload,
    Quantity,
    Text,
    Time,
)


class Estimable(Payload, frozen=True, kw_only=True):
    """What a history that is imported may tell without knowing when: ``time`` is then the best estimate there is."""

    time_estimated: bool = False


class Address(Payload, frozen=True):
    """A postal address."""

    street: Text
    postal_code: Text
    city: Text
    country: Country
    region: Text | None = None


class CustomerCreated(Estimable, frozen=True):
    """A customer opened an account."""

    customer_id: Identifier
    email: Text
    first_name: Text
    last_name: Text
    address: Address
    locale: Text
    marketing_consent: bool
    acquisition_channel: Code
    phone: Text | None = None
    birth_date: Day | None = None


class CustomerUpdated(Estimable, frozen=True):
    """A customer's details changed; carries the whole new state, not the difference."""

    customer_id: Identifier
    email: Text
    first_name: Text
    last_name: Text
    address: Address
    locale: Text
    marketing_consent: bool
    phone: Text | None = None


class CustomerErased(Estimable, frozen=True):
    """A customer asked to be forgotten (GDPR, article 17)."""

    customer_id: Identifier
    reason: Code


class ProductCreated(Estimable, frozen=True):
    """A product entered the catalogue. ``price`` excludes tax; ``cost`` is what one unit costs the shop."""

    product_id: Identifier
    sku: Identifier
    name: Text
    category: Code
    subcategory: Code
    brand: Text
    price: Amount
    cost: Amount
    currency: Currency
    active: bool = True


class ProductUpdated(Estimable, frozen=True):
    """A product's description changed; carries the whole new description."""

    product_id: Identifier
    name: Text
    category: Code
    subcategory: Code
    brand: Text
    active: bool


class ProductPriceChanged(Estimable, frozen=True):
    """A product's price changed, from now on."""

    product_id: Identifier
    old_price: Amount
    price: Amount
    cost: Amount
    currency: Currency
    reason: Code


class StockChanged(Payload, frozen=True):
    """Units came or went: ``level`` is what the warehouse holds after ``delta``."""

    product_id: Identifier
    warehouse: Code
    delta: Delta
    level: Count
    reason: Code
    order_id: Identifier | None = None


class SessionStarted(Payload, frozen=True):
    """A visitor arrived. ``customer_id`` only when logged in."""

    session_id: Identifier
    visitor_id: Identifier
    channel: Code
    device: Code
    country: Country
    landing_page: Text
    customer_id: Identifier | None = None
    campaign: Code | None = None


class PageViewed(Payload, frozen=True):
    """A page other than a product page was seen."""

    session_id: Identifier
    visitor_id: Identifier
    page: Text
    page_type: Code


class ProductViewed(Payload, frozen=True):
    """A product page was seen at this price."""

    session_id: Identifier
    visitor_id: Identifier
    product_id: Identifier
    price: Amount
    currency: Currency


class Searched(Payload, frozen=True):
    """The visitor searched the catalogue."""

    session_id: Identifier
    visitor_id: Identifier
    query: Text
    results: Count


class CartChanged(Payload, frozen=True):
    """Units were put into the cart or taken out; ``quantity`` is what the cart then holds of the product."""

    session_id: Identifier
    visitor_id: Identifier
    product_id: Identifier
    delta: Delta
    quantity: Count
    unit_price: Amount
    currency: Currency


class CheckoutStarted(Payload, frozen=True):
    """The visitor began to check out."""

    session_id: Identifier
    visitor_id: Identifier
    items: Quantity
    cart_value: Amount
    currency: Currency


class OrderLine(Payload, frozen=True):
    """One line of an order. Amounts exclude tax except ``tax`` itself; ``discount`` is for the whole line."""

    line_number: LineNumber
    product_id: Identifier
    sku: Identifier
    quantity: Quantity
    unit_price: Amount
    discount: Amount
    tax: Amount


class OrderPlaced(Estimable, frozen=True):
    """An order was placed.

    ``subtotal`` = sum of quantity x unit price; ``discount`` and ``tax`` = sums over the lines;
    ``total`` = subtotal - discount + shipping + tax. ``shipping`` is all that is charged beside goods: fees, tips,
    duties and gift cards sold, too. No line's discount exceeds its quantity x unit price, and no line number stands
    twice. An event that contradicts this is invalid.
    """

    order_id: Identifier
    customer_id: Identifier
    channel: Code
    device: Code
    country: Country
    currency: Currency
    lines: Annotated[tuple[OrderLine, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    subtotal: Amount
    discount: Amount
    shipping: Amount
    tax: Amount
    total: Amount
    session_id: Identifier | None = None
    campaign: Code | None = None
    coupon: Text | None = None


class OrderAmended(Estimable, frozen=True):
    """An order was changed after it had been placed; carries the whole new state, not the difference.

    ``placed_at`` is when the order was placed: it stays on that day. The newest amendment stands; session and coupon
    stay those of the placing. The sums are those of ``order.placed``, and an event that contradicts them is invalid.
    """

    order_id: Identifier
    placed_at: Time
    customer_id: Identifier
    channel: Code
    device: Code
    country: Country
    currency: Currency
    lines: Annotated[tuple[OrderLine, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    subtotal: Amount
    discount: Amount
    shipping: Amount
    tax: Amount
    total: Amount
    campaign: Code | None = None


class OrderPaid(Estimable, frozen=True):
    """A payment for the order succeeded."""

    order_id: Identifier
    payment_id: Identifier
    method: Code
    amount: Amount
    currency: Currency


class OrderPaymentFailed(Estimable, frozen=True):
    """A payment attempt failed."""

    order_id: Identifier
    payment_id: Identifier
    method: Code
    amount: Amount
    currency: Currency
    reason: Code


class OrderShipped(Estimable, frozen=True):
    """The parcel left the warehouse; ``promised_on`` is the delivery day the customer was told."""

    order_id: Identifier
    shipment_id: Identifier
    carrier: Code
    promised_on: Day


class OrderDelivered(Estimable, frozen=True):
    """The parcel arrived."""

    order_id: Identifier
    shipment_id: Identifier


class OrderCancelled(Estimable, frozen=True):
    """The order was called off before it was shipped."""

    order_id: Identifier
    reason: Code
    cancelled_by: Code


class ReturnLine(Payload, frozen=True):
    """Units of one order line that come back."""

    line_number: LineNumber
    product_id: Identifier
    quantity: Quantity
    reason: Code


class ReturnRequested(Estimable, frozen=True):
    """The customer announced a return."""

    return_id: Identifier
    order_id: Identifier
    customer_id: Identifier
    lines: Annotated[tuple[ReturnLine, ...], msgspec.Meta(min_length=1, max_length=1_000)]


class ReturnReceived(Estimable, frozen=True):
    """The returned units arrived at the warehouse."""

    return_id: Identifier
    order_id: Identifier


class RefundLine(Payload, frozen=True):
    """What is paid back for one order line, excluding tax."""

    line_number: LineNumber
    product_id: Identifier
    quantity: Quantity
    amount: Amount


class RefundIssued(Estimable, frozen=True):
    """Money went back. ``amount`` excludes tax and equals the sum of the lines; ``tax`` is paid back beside it.

    ``shipping`` is what is paid back of the order's shipping, beside both and untaxed, as there. Of a shop that does
    not tell it apart, it is part of the amount of a line.
    """

    refund_id: Identifier
    order_id: Identifier
    amount: Amount
    tax: Amount
    currency: Currency
    reason: Code
    lines: Annotated[tuple[RefundLine, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    return_id: Identifier | None = None
    shipping: Amount | None = None


class Taxed(Payload, frozen=True):
    """Money that goes back: ``net`` excludes tax, ``tax`` is paid back beside it."""

    net: Amount
    tax: Amount


class RefundLineV2(Payload, frozen=True):
    """What is paid back for one order line, with the tax on it."""

    line_number: LineNumber
    product_id: Identifier
    quantity: Quantity
    refunded: Taxed


class RefundIssuedV2(Estimable, frozen=True):
    """Money went back. ``refunded`` is the sum of the lines.

    ``shipping`` is what is paid back of the order's shipping, beside it and untaxed, as there.

    Differs from version 1 in money: ``amount`` did not say whether it held the tax, and the tax of a line was not told.
    """

    refund_id: Identifier
    order_id: Identifier
    refunded: Taxed
    currency: Currency
    reason: Code
    lines: Annotated[tuple[RefundLineV2, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    return_id: Identifier | None = None
    shipping: Amount | None = None


class MarketingTouched(Payload, frozen=True):
    """A campaign reached a visitor (impression, click, email_opened ...); ``cost`` is what the touch cost."""

    touch_id: Identifier
    visitor_id: Identifier
    channel: Code
    campaign: Code
    kind: Code
    cost: Amount
    currency: Currency
    customer_id: Identifier | None = None
    session_id: Identifier | None = None
