from __future__ import annotations

import numpy as np
import pytest

from shop_platform.generator.parameters import REAL_PACE, Parameters
from shop_platform.generator.stock import REPLENISHMENT, SALE, Stock
from shop_platform.generator.tables import Table

PARAMETERS = Parameters(products=2)


@pytest.fixture
def stock() -> Stock:
    """Three units of product 0 and a hundred of product 1."""
    made = Stock.empty(np.random.default_rng(1), PARAMETERS)
    made.table["level"][:], made.table["free"][:] = (3, 100), (3, 100)
    return made


def _lines(*lines: tuple[int, int, int, bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    product, time, quantity, holds = zip(*lines, strict=True)
    return np.array(product), np.array(time), np.array(quantity), np.array(holds)


def _events(*events: tuple[int, int, int, int]) -> Table:
    time, product, delta, reason = (np.array(column) for column in zip(*events, strict=True))
    return {"time": time, "product": product, "delta": delta, "reason": reason}


def test_the_first_in_time_get_the_last_units(stock: Stock) -> None:
    accepted = stock.allocate(*_lines((0, 30, 1, True), (0, 10, 2, True), (0, 20, 1, True), (1, 5, 4, True)), None)
    assert accepted.tolist() == [False, True, True, True]
    assert stock.table["free"].tolist() == [0, 96]


def test_units_count_from_the_moment_they_arrive(stock: Stock) -> None:
    supply = _events((15, 0, 5, REPLENISHMENT), (16, 0, -1, SALE))
    accepted = stock.allocate(*_lines((0, 10, 4, True), (0, 20, 4, True), (0, 21, 4, True), (0, 22, 4, True)), supply)
    assert accepted.tolist() == [False, True, True, False]


def test_units_in_a_cart_that_will_not_order_are_free_again_afterwards_and_not_before(stock: Stock) -> None:
    assert stock.allocate(*_lines((0, 100, 3, False)), None).all()
    # Decided later, happening earlier: it must not empty the shelf under the first visitor's cart.
    assert not stock.allocate(*_lines((0, 50, 1, True)), None).any()
    stock.release({"product": np.array([0]), "quantity": np.array([3])})
    assert stock.allocate(*_lines((0, 150, 1, True)), None).all()


def test_levels_are_running_sums_per_product(stock: Stock) -> None:
    events = _events((1, 0, -2, SALE), (2, 1, 50, REPLENISHMENT), (3, 0, -1, SALE), (4, 0, 7, REPLENISHMENT))
    stock.table["coming"][:] = (7, 50)
    assert stock.settle(events).tolist() == [1, 150, 0, 7]
    assert stock.table["level"].tolist() == [7, 150]
    assert stock.table["coming"].tolist() == [0, 0]


def test_what_falls_short_is_ordered_once(stock: Stock) -> None:
    demand, wanted = np.array([5.0, 0.1]), np.ones(2, np.bool_)
    rng = np.random.default_rng(2)
    delivery = stock.review(rng, 1_000, demand, wanted, 20.0, REAL_PACE)
    assert delivery["product"].tolist() == [0]
    assert delivery["delta"][0] >= 20 * 5
    assert delivery["time"][0] > 1_000
    assert len(stock.review(rng, 2_000, demand, wanted, 20.0, REAL_PACE)["product"]) == 0
