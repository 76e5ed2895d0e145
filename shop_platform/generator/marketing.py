"""Marketing: what was shown, clicked and mailed, and what each touch cost."""

from __future__ import annotations

import numpy as np

from shop_platform.generator import campaigns
from shop_platform.generator.draws import choose
from shop_platform.generator.parameters import CHANNELS, DAY, HOUR, Pace, Parameters
from shop_platform.generator.population import Customers
from shop_platform.generator.seasons import LocalTime, weekday
from shop_platform.generator.sessions import EMAIL, STRANGER, RecentVisitors
from shop_platform.generator.tables import Ints, Table

KINDS = ("impression", "click", "email_sent", "email_opened", "email_clicked")
_IMPRESSION, _CLICK, _SENT, _OPENED, _EMAIL_CLICK = range(5)
_SHOWN_ON = np.array([CHANNELS.index("paid_search"), CHANNELS.index("social")])
_OPEN_RATE = 0.27
_NEWSLETTER = next(i for i, c in enumerate(campaigns.ALWAYS_ON) if c.name == "newsletter")


def _touches(time: Ints, **columns: Ints) -> Table:
    none = np.zeros(len(time), np.int64)
    empty = dict.fromkeys(("visitor", "channel", "campaign", "kind", "cost", "customer", "session"), none)
    return {"time": time, **empty, **columns}


def clicks(rng: np.random.Generator, p: Parameters, visits: Table, customers: Customers) -> Table:
    """Return the click behind every session that a campaign brought, at the moment it begins."""
    paid = np.flatnonzero(visits["campaign"] >= 0)
    channel = visits["channel"][paid]
    low, high = np.asarray(p.click_cost_cents)[channel].T
    row = visits["customer_row"][paid]
    known = np.where(row == STRANGER, 0, customers.table["customer"][row] if customers.table.length else 0)
    return _touches(
        visits["time"][paid],
        visitor=visits["visitor"][paid],
        channel=channel,
        campaign=visits["campaign"][paid],
        kind=np.where(channel == EMAIL, _EMAIL_CLICK, _CLICK),
        cost=rng.integers(low, high + 1),
        customer=np.where(channel == EMAIL, known, 0),
        session=visits["session"][paid],
    )


def impressions(
    rng: np.random.Generator,
    p: Parameters,
    visits: Table,
    recent: RecentVisitors,
    window: tuple[int, int],
    local_day: int,
) -> Table:
    """Return advertisements shown to people who were here of late."""
    there = len(recent.table["visitor"])
    count = int(rng.poisson(p.impressions_per_session * len(visits["time"]))) if there else 0
    channel = _SHOWN_ON[choose(rng, (0.4, 0.6), count)]
    return _touches(
        rng.integers(*window, count),
        visitor=recent.table["visitor"][rng.integers(0, there, count)] if count else np.zeros(0, np.int64),
        channel=channel,
        campaign=campaigns.attribute(rng, channel, local_day),
        kind=np.full(count, _IMPRESSION),
        cost=rng.integers(0, 2, count),
    )


def newsletter(
    rng: np.random.Generator, p: Parameters, pace: Pace, local: LocalTime, customers: Customers, now: int
) -> Table:
    """Return the mails (and their openings) sent after ``now`` to some customers who agreed, Tuesdays and Thursdays."""
    t = customers.table
    day = int(local.day(np.array([now]))[0])
    readers = np.flatnonzero((customers.appetite_at(now) > 0) & (t["consent"] == 1))
    # At a fast pace a mail goes out at every review, to as many as fall to it.
    share = p.newsletter_share * (1.0 if pace.seasonal else min(pace.review_every_ms / pace.fulfil / (3.5 * DAY), 1.0))
    on = not pace.seasonal or int(weekday(np.array([day]))[0]) in (1, 3)
    count = min(int(rng.poisson(share * len(readers))), len(readers)) if on else 0
    row = np.sort(rng.choice(readers, count, replace=False)) if count else readers[:0]
    wait = 9 * HOUR if pace.seasonal else 0
    sent = now + wait + rng.integers(0, max(int(HOUR * pace.browse), 1), count)
    opens = rng.random(count) < _OPEN_RATE
    opened = sent + 1_000 + (rng.exponential(3.0 * HOUR, count) * pace.fulfil).astype(np.int64)
    customers.keep_busy(row, opened)
    own = campaigns.running(day)
    mailed = [i for i in own if "email" in campaigns.CAMPAIGNS[i].channels]
    campaign = int(mailed[0]) if mailed else _NEWSLETTER
    kind = np.r_[np.full(count, _SENT), np.full(int(opens.sum()), _OPENED)]
    who = np.r_[row, row[opens]]
    return _touches(
        np.r_[sent, opened[opens]],
        visitor=t["visitor"][who],
        channel=np.full(len(who), EMAIL),
        campaign=np.full(len(who), campaign),
        kind=kind,
        cost=np.where(kind == _SENT, rng.integers(0, 2, len(who)), 0),
        customer=t["customer"][who],
    )
