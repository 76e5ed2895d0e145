"""Every rate of the simulated shop in one place, with its reason."""

from __future__ import annotations

from dataclasses import dataclass

CHANNELS = ("direct", "organic_search", "paid_search", "social", "email", "affiliate", "referral")
DEVICES = ("desktop", "mobile", "tablet")
COUNTRIES = ("DE", "AT", "FR", "NL", "BE", "ES", "IT")
METHODS = ("paypal", "card", "invoice", "sepa_debit", "ideal")
CARRIERS = ("dhl", "dpd", "gls", "hermes")
CURRENCY = "EUR"
WAREHOUSE = "main"

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Rates = tuple[float, ...]


@dataclass(frozen=True)
class Pace:
    """How fast the shop's life unfolds, as factors on the durations of real life.

    ``browse`` scales what happens inside a session, ``fulfil`` what happens after it (shipping, delivery, returns,
    erasures), ``restock`` the suppliers' delivery times. ``seasonal``: hours, weekdays and months matter, and parcels
    move in working hours only.
    """

    browse: float = 1.0
    fulfil: float = 1.0
    restock: float = 1.0
    seasonal: bool = True
    review_every_ms: int = DAY
    """How often stock is reviewed, prices are set and marketing is sent."""


REAL_PACE = Pace()
# A session of minutes becomes one of seconds to a minute, a day of the warehouse ten minutes, so that somebody who
# watches a dashboard for an hour sees orders paid, shipped, delivered, returned and refunded. No seasons: a demo at
# four in the morning must move, and the rate was asked for.
# Suppliers are faster still: at 5,000 events a second a minute sells what the history's shop sells in a week.
LIVE_PACE = Pace(browse=0.15, fulfil=1 / 144, restock=1 / 2880, seasonal=False, review_every_ms=20_000)


@dataclass(frozen=True)
class FaultRates:
    """Shares of messages that are spoilt or moved on the wire; each message suffers one fault at most."""

    duplicate: float = 0.005
    late: float = 0.005
    out_of_order: float = 0.01
    malformed: float = 0.0005
    unknown_version: float = 0.0002
    late_max_ms: int = 7 * DAY
    late_min_ms: int = 15 * MINUTE
    duplicate_max_ms: int = 2 * HOUR


HISTORY_FAULTS = FaultRates()
# Rarer, and within what somebody in front of the screen will wait for.
LIVE_FAULTS = FaultRates(
    duplicate=0.002,
    late=0.002,
    out_of_order=0.004,
    malformed=0.0002,
    unknown_version=0.0001,
    late_max_ms=10 * MINUTE,
    late_min_ms=20_000,
    duplicate_max_ms=30_000,
)
NO_FAULTS = FaultRates(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Parameters:
    """The shop's habits. Tuples follow the order of CHANNELS, DEVICES, COUNTRIES, METHODS and CARRIERS."""

    # 32 orders a day at 3.5 % conversion and four web events a session make some 370,000 events in 90 days.
    orders_per_day: float = 32.0
    growth_per_year: float = 0.35
    products: int = 420
    # Accounts the shop brings along when it moves to this platform, per daily order (a year's worth of buyers).
    opening_customers_per_daily_order: float = 70.0

    # Who comes: known customers come directly or by newsletter, strangers by search and advertising.
    known_share: float = 0.38
    logged_in_share: float = 0.6
    returning_stranger_share: float = 0.18
    channel_of_strangers: Rates = (0.15, 0.31, 0.21, 0.17, 0.00, 0.08, 0.08)
    channel_of_customers: Rates = (0.38, 0.20, 0.09, 0.06, 0.21, 0.03, 0.03)
    country: Rates = (0.60, 0.11, 0.10, 0.08, 0.04, 0.04, 0.03)
    device_by_channel: tuple[Rates, ...] = (
        (0.52, 0.41, 0.07),
        (0.44, 0.50, 0.06),
        (0.40, 0.54, 0.06),
        (0.11, 0.84, 0.05),
        (0.38, 0.54, 0.08),
        (0.49, 0.45, 0.06),
        (0.55, 0.40, 0.05),
    )

    # The funnel: engaged (no bounce) -> product -> cart -> checkout -> order.
    engaged: float = 0.57
    views_product: float = 0.84
    fills_cart: float = 0.155
    checks_out: float = 0.57
    orders: float = 0.76
    in_stock: float = 0.95
    """The share of willing buyers who do not find everything sold out."""
    funnel_of_channel: Rates = (1.10, 1.00, 0.92, 0.62, 1.35, 1.15, 1.00)
    funnel_of_device: Rates = (1.22, 0.84, 1.00)
    funnel_of_country: Rates = (1.06, 1.04, 0.90, 0.98, 0.92, 0.84, 0.80)
    funnel_of_customers: float = 1.30
    extra_pages: float = 0.75
    searches: float = 0.30
    extra_views: float = 0.85
    extra_cart_items: float = 0.62
    removes_item: float = 0.07
    registers_without_order: float = 0.006

    # A customer's life. Gamma-distributed appetite; a third never comes back.
    appetite_shape: float = 0.8
    one_time_share: float = 0.34
    active_days: float = 260.0
    consent_share: float = 0.58
    updates_per_day: float = 0.0009
    erasures_per_day: float = 0.00012

    # Baskets
    quantity: Rates = (0.84, 0.12, 0.03, 0.01)
    tax: Rates = (0.19, 0.20, 0.20, 0.21, 0.21, 0.21, 0.22)
    shipping_cents: int = 490
    free_shipping_from_cents: int = 6_000
    welcome_coupon: float = 0.12
    campaign_coupon: float = 0.75

    # Payment: by country (rows) and method (columns); chances of the first, second and third attempt.
    method_by_country: tuple[Rates, ...] = (
        (0.36, 0.20, 0.32, 0.12, 0.00),
        (0.34, 0.30, 0.30, 0.06, 0.00),
        (0.26, 0.68, 0.03, 0.03, 0.00),
        (0.14, 0.14, 0.10, 0.00, 0.62),
        (0.24, 0.58, 0.10, 0.08, 0.00),
        (0.36, 0.58, 0.00, 0.06, 0.00),
        (0.48, 0.46, 0.00, 0.06, 0.00),
    )
    payment_succeeds: Rates = (0.94, 0.72, 0.60)

    # Fulfilment
    cancelled_by_customer: float = 0.018
    cancelled_by_shop: float = 0.004
    carrier: Rates = (0.52, 0.22, 0.14, 0.12)
    carrier_late: Rates = (0.05, 0.08, 0.11, 0.16)
    promised_days: tuple[int, ...] = (2, 3, 4, 3, 3, 5, 5)
    goodwill_when_late: float = 0.08
    restocked: float = 0.85

    # Version 2 of refund.issued is rolled out server by server: none before this day of the shop's life, then a growing
    # share, all after these days (0 and 0: always). A default history holds all three times.
    refund_v2_after_days: float = 25.0
    refund_v2_rollout_days: float = 10.0

    # Stock: cover after a replenishment, in days of expected demand; the late orderer's share makes things run out.
    cover_days: float = 24.0
    lead_days: tuple[float, float] = (2.0, 9.0)
    careless_share: float = 0.12

    damaged_per_day: float = 0.8
    units_per_order: float = 1.75

    # Catalogue
    later_products: float = 0.08
    price_changes_per_day: float = 1.6
    product_updates_per_day: float = 0.25

    # Marketing: per session of the channel (impressions) and per click, in cents.
    impressions_per_session: float = 0.05
    newsletter_share: float = 0.05
    click_cost_cents: tuple[tuple[int, int], ...] = ((0, 0), (0, 0), (12, 65), (8, 42), (0, 1), (15, 30), (0, 0))
