"""Which table answers which question: every query of the page runs as its reader would, and every trap is one."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from shop_platform.settings import PROJECT_ROOT, Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt import events_web as w
from tests.dbt.project import Shop

PAGE = PROJECT_ROOT / "docs" / "questions.md"
_QUESTION = re.compile(
    r"^## (?P<number>\d+)\. .*?\n\n`.*?\n\n```sql\n(?P<right>.*?)```\n\nNot so: .*?\n\n```sql\n(?P<wrong>.*?)```\n",
    re.DOTALL | re.MULTILINE,
)

_CHAIR = ("chair", 1, "40.00", "0.00", "7.60")
_VASE = ("vase", 1, "30.00", "0.00", "5.70")  # whose cost nobody told
# The days before the one that most questions ask for, a foreign currency, and customers of three cohorts.
_BEFORE = [
    e.product_created("desk", "2026-01-01 00:00"),
    e.product_created("chair", "2026-01-01 00:00"),
    e.customer_created("anna", "2026-09-01 00:00"),
    e.customer_created("gina", "2026-11-18 00:00"),  # an account, and no order
    e.customer_created("hugo", "2026-11-19 00:00"),  # likewise
    e.order_placed("sep", "2026-09-05 10:00", customer_id="anna"),
    e.order_placed("oct", "2026-10-05 10:00", customer_id="anna"),
    e.order_placed("oct-2", "2026-10-06 10:00", customer_id="dora", shipping="4.90"),
    e.order_placed("oct-3", "2026-10-06 11:00", customer_id="fred"),
    e.order_placed("nov", "2026-11-10 10:00", customer_id="dora"),
    e.order_placed("week", "2026-11-17 10:00", customer_id="anna"),
    e.order_placed("week-2", "2026-11-18 10:00", customer_id="lena"),
    e.order_placed("week-3", "2026-11-18 11:00", customer_id="lena"),
    e.order_placed("first-seen", "2026-11-19 10:00", [_CHAIR], customer_id="mona"),
    e.order_placed("franc", "2026-11-20 09:30", customer_id="emil", currency="CHF"),
    e.stock_changed("desk", "2026-11-15 10:00", 10, 10),
    e.stock_changed("chair", "2026-11-20 10:00", -1, 4),
]
# The day itself: visits, carts, coupons, payments that come later, and refunds of other days' orders.
_DAY = [
    e.session_started("s1", "2026-11-20 09:00"),
    e.session_started("s2", "2026-11-20 10:00", channel="direct"),
    e.session_started("s3", "2026-11-20 11:00", channel="direct", visitor_id="visitor-of-s2"),
    e.session_started("s4", "2026-11-20 12:00"),
    w.cart_holds("s2", "2026-11-20 10:05", "desk", 2),
    w.cart_holds("s3", "2026-11-20 11:05", "desk", 1),
    w.cart_holds("s3", "2026-11-20 11:06", "desk", 0, delta=-1),
    w.touched("t1", "visitor-of-s1", "2026-11-19 10:00"),
    e.order_placed(
        "coupon",
        "2026-11-20 09:20",
        [("desk", 2, "10.00", "2.00", "3.42")],
        customer_id="anna",
        session_id="s1",
        shipping="4.90",
        coupon="SPRING",
    ),
    e.order_placed("phone", "2026-11-20 13:00", [_VASE], customer_id="ben", channel="direct"),
    e.order_placed("phone-2", "2026-11-20 13:30", [_CHAIR], customer_id="carla", channel="direct"),
    e.order_placed(
        "doomed",
        "2026-11-20 12:10",
        [("desk", 3, "10.00", "1.00", "5.51")],
        customer_id="dora",
        session_id="s4",
        shipping="4.90",
        coupon="SPRING",
    ),
    e.order_paid("coupon", "2026-11-20 09:21", "26.32"),
    e.order_paid("phone", "2026-11-22 10:00", "35.70"),
    e.order_paid("doomed", "2026-11-20 12:11", "39.41"),
    e.order_cancelled("doomed", "2026-11-20 20:00"),
    e.refund_issued("doomed", "2026-11-20 20:05", [(1, "desk", "29.00")], tax="5.51", version=2, shipping="4.90"),
    e.refund_issued("oct-2", "2026-11-20 15:00", [(1, "desk", "10.00")], tax="1.90", version=2, shipping="4.90"),
    e.refund_issued("coupon", "2026-11-21 15:00", [(1, "desk", "9.00")], tax="1.71", version=2),
    e.order_shipped("coupon", "2026-11-21 08:00", "2026-11-22"),
    e.order_delivered("coupon", "2026-11-24 10:00"),
    e.order_shipped("week", "2026-11-17 18:00", "2026-11-20"),
    e.order_delivered("week", "2026-11-19 10:00"),
    e.order_placed("newest", "2026-11-26 10:00", customer_id="anna"),
]
_LATE = [e.order_placed("late", "2026-11-19 22:00", customer_id="mona")]


def _answer(connection: psycopg.Connection[Any], query: str) -> list[dict[str, Any]]:
    return connection.cursor(row_factory=psycopg.rows.dict_row).execute(query).fetchall()


def test_every_query_of_the_page_answers_and_what_comes_to_mind_first_says_something_else(shop: Shop) -> None:
    text = PAGE.read_text(encoding="utf-8")
    questions = list(_QUESTION.finditer(text))
    assert [int(found["number"]) for found in questions] == list(range(1, text.count("\n## ") + 1))
    assert len(questions) >= 20 and text.count("```sql") == 2 * len(questions)
    for batch in (_BEFORE + _DAY, _LATE):
        e.write(shop.settings, batch)
        shop.dbt.run()

    wanting = []
    with connect(shop.settings, Role.BI) as reader:
        for found in questions:
            right, wrong = _answer(reader, found["right"]), _answer(reader, found["wrong"])
            shared = [{name: row.get(name, "nothing like it") for name in (wrong or [{}])[0]} for row in right]
            if not right or not wrong or None in right[-1].values() or shared == wrong:
                wanting.append((found["number"], right, wrong))
    assert not wanting
