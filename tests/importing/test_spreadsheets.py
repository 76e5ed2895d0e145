"""What spreadsheets, cash registers and other countries make of a file, and what is said of it."""

from __future__ import annotations

import csv

import pytest

from shop_platform.errors import ShopError
from shop_platform.importing.charset import fitting
from shop_platform.importing.phones import to_phone
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.settings import load
from tests.importing.files import (
    CUSTOMERS,
    ORDER_COLUMNS,
    ORDERS,
    SHOPIFY,
    built,
    documents,
    order_row,
    write_lines,
    write_map,
)

GOOD = "2026-03-01T10:00Z,c1,x"


@pytest.fixture
def report(tmp_path):
    """Dry-run a file for :data:`CUSTOMERS`, with lines put at the top of the map, and return the report."""

    def run(data: bytes | str, top: str = "", text: str = CUSTOMERS):
        file = tmp_path / "c.csv"
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        map_ = write_map(tmp_path, text.replace("version: 1", f"version: 1\n    {top}"))
        return run_import(load(), ImportOptions(file, map_, dry_run=True))

    return run


def test_rows_of_separators_are_no_rows_however_many(report, tmp_path):
    assert run_import(load(), ImportOptions(*_shopify_with_blanks(tmp_path), dry_run=True)).exit_code == 0
    found = report(f"at,customer,why\n{GOOD}\n" + ",,\n" * 10_001 + " , ,\t\n")
    assert (found.rows, found.blank_rows, found.events.total(), found.exit_code) == (1, 10_002, 1, 0)
    assert "10,002 empty rows" in "\n".join(found.lines(5))


def _shopify_with_blanks(folder):
    text = SHOPIFY[0].read_text(encoding="utf-8")
    file = folder / "blanks.csv"
    file.write_text(text + "," * text.partition("\n")[0].count(",") + "\n", encoding="utf-8")
    return file, SHOPIFY[1]


def test_columns_without_a_name_and_empty_fields_beyond_the_header_do_not_count(report):
    found = report(f"at,customer,why,,\n{GOOD},,\n{GOOD.replace('c1', 'c2')},,,,\n")
    assert (found.exit_code, found.events.total()) == (0, 2)
    assert report(f"at,customer,why\n{GOOD},more\n").first_problems[0].reason == "has 4 fields, the header has 3"


@pytest.mark.parametrize("header", ["AT,Customer,Why", " at ,customer\u00a0,why  ", "\ufeffat,CUSTOMER ,why"])
def test_capitals_and_blanks_of_a_header_do_not_count(header, report):
    assert report(f"{header}\n{GOOD}\n").events.total() == 1


def test_a_column_that_is_there_twice_matters_only_where_the_map_reads_it(report):
    assert report(f"at,customer,why,x,x\n{GOOD},1,2\n").events.total() == 1
    with pytest.raises(ShopError, match="two columns 'why'"):
        report(f"at,customer,why,why\n{GOOD},1\n")


def test_a_row_of_totals_is_left_out_by_one_line_and_counted(tmp_path):
    rows = [order_row(1), order_row(2), order_row(3, order="Total", customer="", placed="", product="")]
    file = write_lines(tmp_path / "o.csv", [ORDER_COLUMNS, *rows])
    leaving = "version: 1\n    leave_out_rows: [{one_of: {order: [Total]}}, {absent: [order]}]"
    map_ = write_map(tmp_path, ORDERS.replace("version: 1", leaving))
    found = run_import(load(), ImportOptions(file, map_, dry_run=True))
    assert (found.exit_code, found.rows, found.rows_left_out, found.events.total()) == (0, 2, 1, 2)
    assert "1 row left out as the map says" in "\n".join(found.lines(5))


def test_a_quote_that_is_not_closed_fails_its_row_and_no_other(report):
    rows = ["at,customer,why", '2026-03-01T10:00Z,"c1,x', *(GOOD.replace("c1", f"c{n}") for n in range(2, 9))]
    found = report("\n".join(rows))
    assert [(p.row, p.reason[:30]) for p in found.first_problems] == [(2, "has a quotation mark that is n")]
    assert (found.rows, found.events.total()) == (8, 7)


@pytest.mark.parametrize("written", ['="00123"', '"=""00123"""', "'00123"])
def test_what_excel_writes_around_a_text_is_no_part_of_it(written, tmp_path):
    file = write_lines(tmp_path / "c.csv", ["at,customer,why", f"2026-03-01T10:00Z,{written},'s-gravenhage"])
    (event,) = documents(built(file, write_map(tmp_path, CUSTOMERS)))
    assert event["data"] == {"customer_id": "00123", "reason": "s_gravenhage"}


@pytest.mark.parametrize(("serial", "time"), [("46082.4375", "09:30:00"), ("46082.5", "11:00:00")])
def test_a_spreadsheets_number_of_a_day_is_read_and_else_named(serial, time, report, tmp_path):
    text = CUSTOMERS.replace("{from: at}", "{from: at, do: [{time: {format: excel, zone: Europe/Berlin}}]}")
    file = write_lines(tmp_path / "c.csv", ["at,customer,why", f"{serial},c1,x"])
    assert documents(built(file, write_map(tmp_path, text)))[0]["time"] == f"2026-03-01T{time}Z"
    assert "`time: {format: excel, zone: ...}`" in report(file.read_bytes()).first_problems[0].reason


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("at,customer,why\n2026,c1,ü".encode("utf-16"), "csv: {encoding: utf-16}"),
        ("at,customer,why\n2026,c1,ü".encode("utf-16-le"), "csv: {encoding: utf-16-le}"),
        ("at,customer,why\n2026,c1,ü".encode("utf-16-be"), "csv: {encoding: utf-16-be}"),
        ("at,customer,why\n2026,c1,ü".encode("utf-32"), "csv: {encoding: utf-32}"),
        ("at,customer,why\n2026,c1,Müller aus Köln".encode("cp850"), "csv: {encoding: cp850}"),
        ("at,customer,why\n2026,c1,Иванов".encode("cp1251"), "csv: {encoding: cp1251}"),
        (b"PK\x03\x04", "Save it as CSV"),
        (b"\x1f\x8b\x08", "Unpack it: gunzip"),
        (b"sep=;\nat;customer;why\n", 'csv: {delimiter: ";"}'),
        (b"at\tcustomer\twhy\n", "csv: {delimiter: tab}"),
    ],
)
def test_the_hint_is_the_line_that_reads_the_file(data, said, report):
    with pytest.raises(ShopError) as error:
        report(data)
    assert said in str(error.value) and error.value.exit_code == 2


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("cp1252", "at,customer,why\n2026-03-01T10:00Z,c1,ü\n".encode()),
        ("cp1252", "at,customer,why\n2026-03-01T10:00Z,c1,x\n".encode("utf-8-sig")),
        ("utf-16", "at,customer,why\n2026-03-01T10:00Z,c1,ü\n".encode()),
    ],
)
def test_a_file_in_utf8_is_not_read_as_something_else(encoding, data, report):
    with pytest.raises(ShopError, match=r"csv: \{encoding: utf-8\}"):
        report(data, f"csv: {{encoding: {encoding}}}")


@pytest.mark.parametrize("encoding", ["base64", "rot13", "undefined"])
def test_a_codec_that_is_no_encoding_of_text_is_named(encoding, report):
    with pytest.raises(ShopError, match=f"there is no encoding '{encoding}'"):
        report(f"at,customer,why\n{GOOD}\n", f"csv: {{encoding: {encoding}}}")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Müller;Grüße aus Köln, für 12 €"), ("cp1252", "Élodie;déjà vu;François"),
        ("cp1252", "Peñíscola;¿Dónde? año"), ("mac-roman", "Müller;Grüße aus Köln"), ("cp850", "Straße;Köln;año"),
        ("cp1250", "Łódź;Wałęsa;żółć"), ("cp1251", "Иванов;улица Ленина"), ("cp1253", "Παπαδόπουλος;Αθήνα"),
        ("shift_jis", "東京都;山田太郎"), ("gb18030", "北京市;王小明"), ("euc_kr", "서울;김철수"),
    ],
)  # fmt: skip
def test_the_encoding_in_which_a_text_reads_like_words_fits(encoding, text):
    assert fitting(text.encode(encoding))[0] == encoding


def test_excels_note_of_the_delimiter_is_no_header(report):
    text = f"sep=;\nat,customer,why\n{GOOD}\n".replace(",", ";")
    assert report(text, 'csv: {delimiter: ";"}').events.total() == 1


def test_json_that_is_not_one_object_a_line_is_named(tmp_path):
    map_ = write_map(tmp_path, CUSTOMERS)
    file = tmp_path / "c.ndjson"
    for data, said in [(b'{\n "at": "x"\n}\n', "jq -c ."), ('{"at": "x"}\n'.encode("utf-16"), "iconv -f utf-16")]:
        file.write_bytes(data)
        with pytest.raises(ShopError) as error:
            run_import(load(), ImportOptions(file, map_, dry_run=True))
        assert said in str(error.value)


POS = """
    version: 1
    source: /pos
    group_by: id
    csv: {delimiter: ";"}
    order:
      line:
        product_id: {from: sku}
        sku: {from: sku}
        quantity: {from: qty}
        before_discount: {from: sum, do: [{money: {decimal: ","}}]}
    events:
      - type: order.placed
        time: {from: at}
        data: {order_id: {from: id}, customer_id: {from: id}, channel: {value: pos}, device: {value: till},
               country: {value: DE}, currency: {value: EUR}}
      - type: refund.issued
        when: {positive: [back]}
        time: {from: at}
        refund: {total: {from: back, do: [absolute, {money: {decimal: ","}}]}}
        data: {refund_id: {from: id}, order_id: {from: id}, currency: {value: EUR}, reason: {value: unknown}}
"""


def test_a_condition_reads_an_amount_as_the_map_reads_the_column(tmp_path):
    rows = [f"o{n};2026-03-01T10:00Z;mug;1;10,00;{back}" for n, back in enumerate(["0,00", "5,50", "-2,00", "", "0"])]
    file = write_lines(tmp_path / "p.csv", ["id;at;sku;qty;sum;back", *rows])
    found = documents(built(file, write_map(tmp_path, POS)))
    back = {each["data"]["order_id"]: each["data"]["amount"] for each in found if "refund" in each["type"]}
    assert back == {"o1": "5.50", "o2": "2.00"}
    text = POS.replace("    group_by", "    leave_out: {negative: [back]}\n    group_by")
    left_out = [each.left_out is not None for each in built(file, write_map(tmp_path, text))]
    assert left_out == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("+49 30 555000", "", "+4930555000"), ("0049 (0)30/555-000", "", "+4930555000"),
        ("030 555000", "DE", "+4930555000"), ("'+49 30 555000", "US", "+4930555000"),
        ("(415) 555-0100", "US", "+14155550100"), ("1-415-555-0100", "US", "+14155550100"),
        ("02 1234 5678", "IT", "+390212345678"), ("030 555000", "", "030555000"), ("n/a", "DE", ""),
    ],
)  # fmt: skip
def test_a_phone_number_has_one_spelling(text, country, number):
    assert to_phone(text, country) == number


def test_a_customer_without_an_address_is_one_however_the_phone_was_typed(tmp_path):
    with SHOPIFY[0].open(encoding="utf-8", newline="") as file:
        sample = next(csv.DictReader(file)) | {"Total": "59.80", "Subtotal": "59.80", "Taxes": "0", "Shipping": "0"}
    phones = ["+49 30 555000", "030/555000", "'+4930555000", "0171 1234567", ""]
    file = tmp_path / "orders.csv"
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, [*sample])
        writer.writeheader()
        for number, phone in enumerate(phones):
            writer.writerow(sample | {"Name": f"#{number}", "Email": "", "Billing Phone": phone})
    results = built(file, SHOPIFY[1])
    customers = [documents([each])[0]["data"]["customer_id"] for each in results]
    assert len(set(customers[:3])) == 1 and len(set(customers)) == 3 and customers[4] == "shopify-guest-4"
