"""The shop's state on disk: one file, replaced as a whole."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from shop_platform.errors import ShopError
from shop_platform.generator.catalogue import Catalogue
from shop_platform.generator.faults import Held
from shop_platform.generator.parameters import Parameters
from shop_platform.generator.population import Customers
from shop_platform.generator.runs import write_atomically
from shop_platform.generator.seasons import LocalTime
from shop_platform.generator.sessions import RecentVisitors
from shop_platform.generator.shop import Shop
from shop_platform.generator.stock import Stock
from shop_platform.generator.stream import Line
from shop_platform.generator.tables import Growing, Pending, flatten, unflatten

_VERSION = 1
_NUMBERS = ("seed", "origin", "opening_ms", "clock", "reviewed", "prices_fixed_until")


def save(path: Path, line: Line, notes: dict[str, Any]) -> None:
    """Write the shop, the messages held back and some JSON ``notes``."""
    shop = line.shop
    tables = {
        "customers": shop.customers.table.table(),
        "catalogue": shop.catalogue.table,
        "stock": shop.stock.table,
        "recent": shop.recent.table,
        "held": line.held.table(),
        **{f"pending-{kind}": table for kind, table in shop.pending.tables().items()},
    }
    meta = {
        "version": _VERSION,
        "zone": shop.local.zone,
        "parameters": dataclasses.asdict(shop.parameters),
        **{name: getattr(shop, name) for name in _NUMBERS},
        "notes": notes,
    }
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **flatten(tables))  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> tuple[Line, dict[str, Any]] | None:
    """Return what :func:`save` wrote, or None if there is nothing. Raises :class:`ShopError` if it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            flat = {name: file[name] for name in file.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ShopError(
            f"The shop's state {path} cannot be read: {error}", "Remove the file; the shop goes on from its history."
        ) from error
    meta = json.loads(flat.pop("meta").tobytes())
    tables = unflatten(flat)
    pending = Pending()
    for name, table in tables.items():
        if name.startswith("pending-"):
            pending.push(name.removeprefix("pending-"), table)
    seed = meta["seed"]
    shop = Shop(
        parameters=_parameters(meta["parameters"]),
        local=LocalTime(meta["zone"]),
        customers=Customers(Growing(tables["customers"]), seed),
        catalogue=Catalogue(tables["catalogue"], seed),
        stock=Stock(tables["stock"]),
        recent=RecentVisitors(tables["recent"]),
        pending=pending,
        **{name: meta[name] for name in _NUMBERS},
    )
    return Line(shop, Held.from_table(tables["held"])), meta["notes"]


def _parameters(values: dict[str, Any]) -> Parameters:
    """Give back the tuples that JSON turned into lists."""

    def tuples(value: Any) -> Any:
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    return Parameters(**{name: tuples(value) for name, value in values.items()})
