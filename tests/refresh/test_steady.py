"""A test of the refresher judges one moment: it reads nothing that others change between two builds."""

from __future__ import annotations

from shop_platform.refresh.steady import Model, steady

MODELS = {
    "staging": Model(stored=False, parents=("source.raw.orders",)),
    "orders": Model(stored=True, parents=("staging",)),
    "counted": Model(stored=False, parents=("orders", "calendar")),
    "calendar": Model(stored=True),
    "rates": Model(stored=False),
    "customers": Model(stored=True, parents=("staging",)),
    "of_both": Model(stored=False, parents=("orders", "customers")),
}


def test_what_is_built_here_and_what_no_event_changes_stands_still():
    assert steady(MODELS, {"orders"}) == {"orders", "counted", "calendar", "rates"}


def test_a_view_of_raw_rows_and_a_table_that_others_build_do_not():
    assert not {"staging", "customers", "of_both"} & steady(MODELS, {"orders"})
    assert "of_both" in steady(MODELS, {"orders", "customers"})
