"""A number that PostgreSQL cannot hold is told as PostgreSQL itself would tell it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.events.numbers import decode_exactly, refused_number
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect

_AT_THE_BORDERS = [
    *("1e309", "1e400000", "1e131071", "1e131072", "0.1e131072", "0.01e131073", "12e131071", "-1e131072", "0e400000"),
    *("1e-16383", "1e-16384", "0.1e-16382", "0.1e-16383", "0e-16384", "0.00e2", "9" * 131_072, "9" * 131_073),
    *("0." + "1" * 16_383, "0." + "1" * 16_384, "0." + "1" * 16_384 + "e1", "1e+000000000000000000005", "1E5", "-0"),
    *("1e" + "0" * 5000 + "5", "1e" + "9" * 30, "1e-" + "9" * 30, "0.000", "10.0", "1e2147483648", "1" * 5000 + "e3"),
]


def test_postgresql_agrees_which_numbers_it_can_hold(warehouse):
    with connect(warehouse.settings, Role.INGEST) as connection:
        told = connection.execute(
            "select n, pg_input_is_valid(n, 'jsonb') from unnest(%s::text[]) as t (n)", [_AT_THE_BORDERS]
        ).fetchall()
    assert len(told) == len(_AT_THE_BORDERS)
    for number, fits in told:
        assert (refused_number(b'{"a":' + number.encode() + b"}", "t") is None) == fits, number[:40]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b'{"weight": 1e400000}', "$.data.weight"),
        (b'{"lines": [{"a": 1}, {"a": [2, 1e-400000]}]}', "$.data.lines[1].a[1]"),
        (b'{"ada@example.com": 1e400000}', "$.data"),
        (b'{"text": "1e400000", "other": "\\" 1e400000", "1e400000": 1}', None),
    ],
)
def test_its_place_is_told_and_a_text_is_no_number(data, path):
    refused = refused_number(data, "t")
    assert (refused and refused.path) == path


@given(st.integers())
def test_a_number_equals_itself_in_another_spelling(number):
    assert decode_exactly(b"[%d]" % number) == decode_exactly(b"[%d.00]" % number)
    assert decode_exactly(b"[0.1]") != decode_exactly(b"[0.10000000000000000001]")
