"""What is personal in an event, which events name a session's customer, and which ask to forget a customer (pure).

Declared once, by family (a type without its version), so that a new version cannot forget it. The ingestion treats the
fields so when an event lands (``apart.py``), an erasure what has landed; the published contract marks them. Every field
that can hold free text stands here: a test names one that does not. A field that is added here later needs a migration
that treats the rows that have landed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Union

_PERSON = (
    "email",
    "first_name",
    "last_name",
    "phone",
    "birth_date",
    "address.street",
    "address.postal_code",
)

PERSONAL_FIELDS: dict[str, tuple[str, ...]] = {
    "shop.customer.created": _PERSON,
    "shop.customer.updated": _PERSON,
    "shop.web.searched": ("query",),
}
"""Paths below ``data``: taken out when the event lands, erased when the customer asks for it.

The event is about a customer, a session or an order (:func:`owner`); whose session or order it is, other events tell.
``customer_id`` is none of them: it is the token by which everything else knows a customer.
"""


class Kept(StrEnum):
    """How a text that stays in ``raw`` is kept. An e-mail address in it is taken out in any case."""

    PATH = "path"
    """The address of a page: without query string and fragment, and until the session's customer is erased."""
    CODE = "code"
    """What many customers may type: until the customer is erased, unless another one typed the same.

    One that holds an ``@`` is no code but personal, as if it stood in :data:`PERSONAL_FIELDS`."""
    UNTIL_ERASED = "until_erased"
    """Of the customer, and models read it: until the customer is erased."""
    PUBLIC = "public"
    """Tells nothing about a customer."""


_HOME = {"address.city": Kept.UNTIL_ERASED, "address.region": Kept.UNTIL_ERASED, "locale": Kept.UNTIL_ERASED}
# What the shop shows to everybody in its window.
_PRODUCT = {"name": Kept.PUBLIC, "brand": Kept.PUBLIC}

KEPT_TEXTS: dict[str, dict[str, Kept]] = {
    "shop.customer.created": _HOME,
    "shop.customer.updated": _HOME,
    "shop.product.created": _PRODUCT,
    "shop.product.updated": _PRODUCT,
    "shop.web.session_started": {"landing_page": Kept.PATH},
    "shop.web.page_viewed": {"page": Kept.PATH},
    "shop.order.placed": {"coupon": Kept.CODE},
}
"""Paths below ``data`` of free texts that stay in ``raw``, by family. A path or a code stands directly below."""

PARAMETERS_SUFFIX = "_parameters"
"""Beside the address of a page: what was kept of its query string, by name."""

ERASURE = "shop.customer.erased"
"""The customer that is this event's subject asks to be forgotten."""

SESSION_OF_CUSTOMER = ("shop.web.session_started", "shop.order.placed", "shop.marketing.touched")
"""Events that may name a customer (``customer_id``) together with a session (``session_id``)."""


class Owner(StrEnum):
    """What the subject of an event is, where that leads to a customer."""

    CUSTOMER = "customer"
    SESSION = "session"
    ORDER = "order"


_OWNERS = {
    "shop.customer.": Owner.CUSTOMER,
    "shop.web.": Owner.SESSION,
    "shop.order.": Owner.ORDER,
    "shop.return.": Owner.ORDER,
    "shop.refund.": Owner.ORDER,
}


def owner(name: str) -> Owner | None:
    """Return what the events of a family are about; ``None`` where no customer can be found by it."""
    return next((found for prefix, found in _OWNERS.items() if name.startswith(prefix)), None)


Tree = Mapping[str, Union["Tree", None]]
"""Personal fields by name; ``None``: the whole field, else what is personal below it."""

Texts = Mapping[str, Union["Texts", Kept]]
"""Texts that stay, by name: how, or those below it."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What an event of a family needs when it lands.

    ``fields`` are to be taken out of its data (none: empty) and ``texts`` to be cleaned; its subject is ``owner``.
    ``erases``: it asks to forget its subject. ``names_customer``: it may name a customer with a session.
    ``texts_only``: there is nothing else to do.
    """

    fields: Tree
    texts: Texts
    owner: Owner | None = None
    erases: bool = False
    names_customer: bool = False
    texts_only: bool = False

    @property
    def of_customer(self) -> bool:
        """Whether the subject is the customer."""
        return self.owner is Owner.CUSTOMER


def family(event_type: str) -> str:
    """Return ``event_type`` without its version."""
    return event_type.rpartition(".v")[0]


def treatment(event_type: str) -> Treatment | None:
    """Return what events of this type need; ``None`` for the usual one, which needs nothing."""
    name = family(event_type)
    fields, texts = PERSONAL_FIELDS.get(name, ()), KEPT_TEXTS.get(name, {})
    erases, names_customer = name == ERASURE, name in SESSION_OF_CUSTOMER
    if not (fields or texts or erases or names_customer):
        return None
    return Treatment(
        _tree(dict.fromkeys(fields)),
        _tree(texts),
        owner(name),
        erases=erases,
        names_customer=names_customer,
        texts_only=not (fields or erases or names_customer),
    )


def _tree(paths: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, leaf in paths.items():
        *above, last = path.split(".")
        branch = tree
        for name in above:
            branch = branch.setdefault(name, {})
        branch[last] = leaf
    return tree
