"""A mistake in a map is named with the file, the line, the key and what is allowed, before a row is read."""

from __future__ import annotations

import textwrap

import pytest

from shop_platform.errors import ShopError
from shop_platform.events.registry import EVENT_TYPES
from shop_platform.importing.ids import KEY_FIELDS
from shop_platform.importing.plan import read_plan
from tests.importing.files import (
    CUSTOMERS,
    EXAMPLES,
    ORDER_COLUMNS,
    ORDERS,
    built,
    documents,
    order_row,
    write_lines,
    write_map,
)


@pytest.mark.parametrize("name", [path.name for path in sorted(EXAMPLES.glob("*.yml"))])
def test_the_examples_are_right(name):
    plan = read_plan(EXAMPLES / name)
    assert plan.events and plan.uses


@pytest.mark.parametrize(
    ("base", "before", "after", "said"),
    [
        (CUSTOMERS, "time: {from: at}", "tiem: {from: at}", ["line 6, events[0].tiem", "Did you mean 'time'?"]),
        (CUSTOMERS, "{from: at}", "{fron: at}", ["line 6, events[0].time.fron", "Did you mean 'from'? Allowed: from"]),
        (CUSTOMERS, "version: 1", "version: 2", ["line 2, version", "not allowed: '2'", "Allowed: 1."]),
        (CUSTOMERS, "source: /test/erasures", "", ["the key is missing: `source`"]),
        (CUSTOMERS, "/test/erasures", "my shop", ["source: 'my shop' is no URI reference"]),
        (CUSTOMERS, "events:", "groupby: x\nevents:", ["there is no key 'groupby' here", "Did you mean 'group_by'?"]),
        (CUSTOMERS, "customer.erased", "customer.erasd", ["is not in the contract", "Did you mean 'customer.erased'?"]),
        (CUSTOMERS, "customer.erased", "web.searched", ["is not made by imports", "order.placed"]),
        (CUSTOMERS, "customer.erased", "shop.refund.issued.v2", ["is not made by imports", "refund.issued"]),
        (CUSTOMERS, "reason:", "raeson:", ["no field 'raeson'", "Did you mean 'reason'? Fields: customer_id, reason"]),
        (CUSTOMERS, "customer_id: {from: customer}", "", ["line 7, events[0].data", "requires the field 'customer_"]),
        (CUSTOMERS, "[code]", "[kode]", ["events[0].data.reason.do[0]: there is no step 'kode'. Did you mean 'code'?"]),
        (CUSTOMERS, "[code]", "[code: {leed: x}]", ["`code` takes lead"]),
        (CUSTOMERS, "[code]", "[{code: {}, lower: {}}]", ["a step has one name"]),
        (CUSTOMERS, "[code]", "[integer, lower]", ["`lower` works on text and cannot follow `integer`"]),
        (CUSTOMERS, "{from: customer}", "{from: customer, value: x}", ["exactly one of", "here is from and value"]),
        (CUSTOMERS, "{from: customer}", "{do: [lower]}", ["here is none of them"]),
        (CUSTOMERS, "{from: customer}", "{from: []}", ["a column's name is needed"]),
        (CUSTOMERS, "{from: customer}", "{from: a.*.b}", ["only `sum` takes them"]),
        (CUSTOMERS, "{from: customer}", "{computed: total}", ["computed by `order:`, which this map does not have"]),
        (CUSTOMERS, "{from: customer}", "{computed: position}", ["only for the items of a list"]),
        (CUSTOMERS, "{from: customer}", "{value: x, else: y}", ["`else` goes with from or first_of"]),
        (CUSTOMERS, "{from: customer}", "{from: x, of: item}", ["there are no items here"]),
        (CUSTOMERS, "{from: at}", "{from: at, do: [{time: {zone: Mars}}]}", ["'Mars' is no IANA time zone"]),
        (CUSTOMERS, "{from: at}", "{value: yesterday}", ["'yesterday' is not a time in ISO 8601 (time)"]),
        (ORDERS, "quantity: {from: quantity}", "", ["order.line", "the key is missing: `quantity`"]),
        (ORDERS, "unit_price: {from: price}", "", ["exactly one of unit_price and before_discount"]),
        (ORDERS, "total: {from: total}", "prices_include_tax: by_total", ["by_total needs `total`"]),
        (ORDERS, "total: {from: total}", "prices_include_tax: maybe", ["not allowed: 'maybe'", "yes, no, by_total"]),
        (ORDERS, "device: {value: desktop}", "lines: {value: x}", ["this field follows from the amounts"]),
        (ORDERS, "country: {value: DE}", "country: {value: DE}\nsession: {from: x}", ["no field 'session'"]),
        (ORDERS, "when: {present: [paid]}", "when: {presnt: [paid]}", ["Did you mean 'present'?"]),
        (ORDERS, "when: {present: [paid]}", "when: {one_of: {paid: yes}}", ["Expected a list, got text"]),
        (ORDERS, "when: {present: [paid]}", "refund: {total: {from: total}}", ["`refund:` is for refund.issued"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_where_it_stands(base, before, after, said, tmp_path):
    base = textwrap.dedent(base)
    assert before in base
    indent = next(line for line in base.splitlines() if before in line)
    indent = indent[: len(indent) - len(indent.lstrip())]
    path = write_map(tmp_path, base.replace(before, after.replace("\n", f"\n{indent}"), 1))
    with pytest.raises(ShopError) as error:
        read_plan(path)
    assert error.value.exit_code == 2
    assert str(error.value).startswith(f"{path}, line ")
    for part in said:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "this is no YAML"),
        ("version: 1\nversion: 1", "line 2, version: the key 'version' is there twice"),
        ("- a\n- b", "the whole map: Expected keys with values, got a list"),
        ("", "the key is missing: `version`"),
        ("x: &x {from: a}\ny:\n  <<: *x", "`<<` is not supported"),
    ],
)
def test_a_file_that_is_no_map_is_named(text, said, tmp_path):
    path = tmp_path / "map.yml"
    path.write_text(text)
    with pytest.raises(ShopError) as error:
        read_plan(path)
    assert said in str(error.value) and str(path) in str(error.value)


def test_a_missing_map_and_one_in_another_encoding_are_named(tmp_path):
    with pytest.raises(ShopError, match=r"nowhere\.yml cannot be read: No such file"):
        read_plan(tmp_path / "nowhere.yml")
    (tmp_path / "latin.yml").write_bytes("source: /überall".encode("latin-1"))
    with pytest.raises(ShopError, match="it is not UTF-8"):
        read_plan(tmp_path / "latin.yml")


def test_words_that_yaml_takes_for_truth_values_stay_words(tmp_path):
    """In YAML 1.1 a plain NO is false: Norway would be lost."""
    map_ = write_map(tmp_path, ORDERS.replace("country: {value: DE}", "country: {value: NO}"))
    file = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, order_row(1)])
    assert [each["data"]["country"] for each in documents(built(file, map_))] == ["NO"]


def test_imports_write_the_first_version_which_the_contract_still_accepts():
    """An id holds the type's name: another version would land a file that is imported again a second time."""
    assert {EVENT_TYPES[name].version for name in KEY_FIELDS} == {1}


def test_every_event_that_imports_write_may_say_in_the_contract_that_its_time_is_estimated():
    """A field that the contract does not know makes the check of unknown fields warn."""
    assert all("time_estimated" in EVENT_TYPES[name].payload.__struct_fields__ for name in KEY_FIELDS)
    assert "time_estimated" in EVENT_TYPES["shop.order.amended.v1"].payload.__struct_fields__
