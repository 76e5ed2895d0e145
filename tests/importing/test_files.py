"""Three formats, one meaning: rows with their numbers, encodings, delimiters, and what a broken row is told."""

from __future__ import annotations

import json
import shlex
import tracemalloc

import polars as pl
import pytest

from shop_platform.errors import ShopError
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.settings import load
from tests.importing.files import (
    CUSTOMERS,
    ORDER_COLUMNS,
    ORDERS,
    WOOCOMMERCE,
    built,
    documents,
    order_row,
    write_lines,
    write_map,
)


def dry_run(file, map_, **options):
    return run_import(load(), ImportOptions(file, map_, dry_run=True, **options))


def problems(file, map_):
    return [(p.row, p.column, p.value, p.reason) for p in dry_run(file, map_).first_problems]


def test_the_same_content_gives_the_same_events_in_every_format(tmp_path):
    map_ = write_map(tmp_path, ORDERS)
    rows = [order_row(n, paid="2026-03-02T00:00:00Z" if n % 2 else "") for n in range(20)]
    csv_file = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, *rows])
    table = pl.read_csv(csv_file)
    assert table.schema["quantity"] == pl.Int64 and table.schema["price"] == pl.Float64
    table.write_ndjson(tmp_path / "orders.ndjson")
    table.with_columns(pl.col("placed").str.to_datetime(time_zone="UTC")).write_parquet(tmp_path / "orders.parquet")
    found = [documents(built(tmp_path / f"orders.{kind}", map_)) for kind in ("csv", "ndjson", "parquet")]
    assert len(found[0]) == 30
    assert found[0] == found[1] == found[2]


def test_lists_of_objects_mean_the_same_in_ndjson_and_in_parquet(tmp_path):
    file, map_ = WOOCOMMERCE
    orders = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    pl.DataFrame(orders, infer_schema_length=None).write_parquet(tmp_path / "orders.parquet")
    assert documents(built(tmp_path / "orders.parquet", map_)) == documents(built(file, map_))


@pytest.mark.parametrize(
    ("encoding", "in_map"), [("utf-8", ""), ("utf-8-sig", ""), ("cp1252", "cp1252"), ("utf-16", "utf-16")]
)
@pytest.mark.parametrize(("delimiter", "in_map_delimiter"), [(",", ""), (";", ";"), ("\t", "tab")])
def test_encodings_and_delimiters(encoding, in_map, delimiter, in_map_delimiter, tmp_path):
    keys = [f'delimiter: "{in_map_delimiter}"'] * bool(in_map_delimiter) + [f"encoding: {in_map}"] * bool(in_map)
    text = CUSTOMERS.replace("{from: customer}", "{from: Kunde Ü, do: [identifier]}")
    map_ = write_map(tmp_path, text.replace("version: 1", f"version: 1\n    csv: {{{', '.join(keys)}}}"))
    lines = [delimiter.join(("at", "Kunde Ü", "why")), delimiter.join(("2026-03-01T10:00Z", "ä1", "gdpr"))]
    file = write_lines(tmp_path / "c.csv", lines, encoding=encoding)
    (event,) = documents(built(file, map_))
    assert event["data"]["customer_id"].startswith("1-") and event["data"]["reason"] == "gdpr"


def test_another_encoding_than_the_map_says_is_named_with_line_and_byte(tmp_path):
    file = write_lines(
        tmp_path / "c.csv", ["at,customer,why", "2026-03-01T10:00Z,c1,x", "2026-03-01T10:00Z,c2,ü"], encoding="cp1252"
    )
    with pytest.raises(ShopError, match="line 3, byte 22 of it: 0xfc is not utf-8") as error:
        dry_run(file, write_map(tmp_path, CUSTOMERS))
    assert error.value.exit_code == 2 and "csv: {encoding: cp1252}" in str(error.value)


@pytest.mark.parametrize(
    ("csv", "said"),
    [
        ("{delimiter: abc}", "csv.delimiter: 'abc' is no delimiter"),
        ("{encoding: ebcdic-9}", "csv.encoding: there is no encoding 'ebcdic-9'"),
    ],
)
def test_a_delimiter_or_encoding_that_is_none_is_named(csv, said, tmp_path):
    file = write_lines(tmp_path / "c.csv", ["at,customer,why"])
    with pytest.raises(ShopError, match=said):
        dry_run(file, write_map(tmp_path, CUSTOMERS.replace("version: 1", f"version: 1\n    csv: {csv}")))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("at,Custmer,why", "has no column 'customer'\n  Did you mean 'Custmer'?"),
        ("at,buyer,why", "has no column 'customer'\n  There are: at, buyer, why."),
        ("at;customer;why", "Its only column is 'at;customer;why': is `csv: {delimiter: \";\"}` right?"),
        ("at,customer,why,at", "has two columns 'at'"),
    ],
)
def test_a_missing_column_is_named_with_those_that_are_like_it(header, said, tmp_path):
    file = write_lines(tmp_path / "c.csv", [header, "2026-03-01T10:00Z,c1,x,y"])
    with pytest.raises(ShopError) as error:
        dry_run(file, write_map(tmp_path, CUSTOMERS))
    assert said in str(error.value) and error.value.exit_code == 2


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_a_key_that_no_record_has_is_a_missing_column(kind, tmp_path):
    rows = [{"at": "2026-03-01T10:00Z", "custmer": f"c{n}", "why": ""} for n in range(3)]
    file = tmp_path / f"c.{kind}"
    if kind == "parquet":
        pl.DataFrame(rows).write_parquet(file)
    else:
        write_lines(file, map(json.dumps, rows))
    with pytest.raises(ShopError, match="has no column 'customer'\n  Did you mean 'custmer'"):
        dry_run(file, write_map(tmp_path, CUSTOMERS))
    optional = write_map(tmp_path, CUSTOMERS.replace("{from: customer}", "{from: [customer, custmer], optional: true}"))
    assert dry_run(file, optional).events.total() == 3


def test_a_quoted_field_may_span_lines_and_rows_keep_their_line_numbers(tmp_path):
    lines = ["at,customer,why", '2026-03-01T10:00Z,c1,"two', 'lines, ""quoted"""', "never,c2,x", "", "never,c3,x"]
    file = write_lines(tmp_path / "c.csv", lines)
    map_ = write_map(tmp_path, CUSTOMERS)
    assert [p[:3] for p in problems(file, map_)] == [(4, "at", "never"), (6, "at", "never")]
    (event,) = documents(built(file, map_))
    assert event["data"]["reason"] == "two_lines_quoted"


def test_rows_that_are_no_csv_are_reported_and_the_others_are_read(tmp_path):
    lines = [
        "at,customer,why",
        "2026-03-01T10:00Z,c1,x",
        "2026-03-01T10:00Z,c2",
        '2026-03-01T10:00Z,"c3"x,y',
        "2026-03-01T10:00Z,c4,x",
    ]
    report = dry_run(write_lines(tmp_path / "c.csv", lines), write_map(tmp_path, CUSTOMERS))
    assert [(p.row, p.reason) for p in report.first_problems] == [
        (3, "has 2 fields, the header has 3"),
        (4, 'has something behind a closing quotation mark; one within a field is written twice ("")'),
    ]
    assert (report.events.total(), report.failing_entities, report.exit_code) == (2, 2, 1)


def test_lines_that_are_no_json_objects_are_reported(tmp_path):
    good = json.dumps({"at": "2026-03-01T10:00Z", "customer": "c1", "why": ""})
    file = tmp_path / "c.ndjson"
    file.write_bytes("\n".join([good, "{", "", "[1]", good.replace("c1", "c2")]).encode() + b'\n{"at": "\xff"}\n')
    report = dry_run(file, write_map(tmp_path, CUSTOMERS))
    assert [p.row for p in report.first_problems] == [2, 4, 6]
    ends, is_a_list, is_no_text = (p.reason for p in report.first_problems)
    assert ends.startswith("is not a JSON document: it ends too early")
    assert (is_a_list, is_no_text) == ("is a list, not an object: {...}", "is not written in UTF-8")
    assert report.events.total() == 2


@pytest.mark.parametrize(
    ("text", "query", "what"),
    [('[{"at": 1}]', "'.[]'", "one JSON array"), ('{\n"at": 1\n}\n', ".", "over several lines")],
)
def test_json_that_is_not_lines_is_refused_with_a_way_that_overwrites_no_file(text, query, what, tmp_path):
    """The shell empties the file behind `>` before jq reads it."""
    map_ = write_map(tmp_path, CUSTOMERS)
    folder = tmp_path / "two words; it's"
    folder.mkdir()
    (folder / "c.ndjson").write_text(text)
    (folder / "d.json").write_text(text)
    (folder / "link.json").symlink_to("linked.ndjson")
    (folder / "linked.ndjson").hardlink_to(folder / "d.json")
    for name, target in (("c.ndjson", "c.lines.ndjson"), ("link.json", "link.ndjson"), ("d.json", "d.ndjson")):
        with pytest.raises(ShopError, match=what) as error:
            dry_run(folder / name, map_, format="ndjson")
        words = shlex.split(error.value.hint.removeprefix("Turn it into lines: "))
        assert words == ["jq", "-c", query.strip("'"), str(folder / name), ">", str(folder / target)]
        assert not (folder / target).exists()
    (folder / "c.lines.ndjson").symlink_to("c.ndjson")
    (folder / "d.ndjson").symlink_to("d.json")
    for name, target in (("c.ndjson", "c.lines2.ndjson"), ("d.json", "d.lines.ndjson")):
        with pytest.raises(ShopError, match=what) as error:
            dry_run(folder / name, map_, format="ndjson")
        assert shlex.split(error.value.hint)[-1] == str(folder / target)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("orders.xlsx", None, "does not tell the format"),
        ("orders.csv", "xml", "'xml' is no format"),
        ("nowhere.csv", None, "There is no file"),
        ("empty.csv", None, "has no header"),
        ("text.parquet", None, "cannot be read as parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name, kind, said, tmp_path):
    (tmp_path / "orders.xlsx").write_text("x")
    (tmp_path / "orders.csv").write_text("x")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.parquet").write_text("no parquet at all")
    with pytest.raises(ShopError, match=said) as error:
        dry_run(tmp_path / name, write_map(tmp_path, CUSTOMERS), format=kind)
    assert error.value.exit_code == 2


def test_a_header_without_rows_imports_nothing_and_is_no_mistake(tmp_path):
    report = dry_run(write_lines(tmp_path / "c.csv", ["at,customer,why"]), write_map(tmp_path, CUSTOMERS))
    assert (report.rows, report.exit_code) == (0, 0)


def test_a_number_of_json_keeps_the_digits_it_has_in_the_file(tmp_path):
    fields = '"order":1.10,"customer":7,"placed":"2026-03-01T10:00Z","paid":null'
    row = f'{{{fields},"total":0.30,"product":"p","quantity":3,"price":0.10}}'
    (event,) = documents(built(write_lines(tmp_path / "o.ndjson", [row]), write_map(tmp_path, ORDERS)))
    assert [event["data"][name] for name in ("order_id", "customer_id", "total")] == ["1.10", "7", "0.30"]


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_memory_does_not_grow_with_the_file(kind, tmp_path):
    map_ = write_map(tmp_path, ORDERS)

    def peak(rows):
        file = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, *(order_row(n) for n in range(rows))])
        if kind == "ndjson":
            table = pl.read_csv(file)
            table.write_ndjson(file := tmp_path / "orders.ndjson")
        tracemalloc.start()
        try:
            assert dry_run(file, map_).events.total() == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_500)  # what is imported, compiled and cached once
    assert peak(4_000) < peak(400) + 100_000
