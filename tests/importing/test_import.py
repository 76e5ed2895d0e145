"""Files through Kafka into the warehouse: everything lands once, whatever fails or is interrupted on the way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from shop_platform.errors import ShopError
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.importing.send import sender
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.local.ports import any_free
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role, Settings, load
from shop_platform.warehouse.connect import connect
from tests.generator.kafka import high_watermarks, kafka_places, ledger_places, stored
from tests.importing.files import (
    EXAMPLES,
    ORDER_COLUMNS,
    ORDERS,
    SHOPIFY,
    WOOCOMMERCE,
    order_row,
    write_lines,
    write_map,
)


def query(settings, statement):
    with connect(settings, Role.ADMIN) as connection:
        return connection.execute(statement).fetchall()


def landed(settings) -> dict[str, int]:
    """Return how many events of each type the raw tables hold."""
    union = " union all ".join(
        f"select event_type from raw.{name}" for name in ("orders", "returns", "customers", "products")
    )
    found = query(settings, f"select event_type, count(*) from ({union}) as events group by 1")
    return {name.removeprefix("shop.").removesuffix(".v1"): count for name, count in found}


def messages(settings) -> int:
    return sum(high_watermarks(settings).values())


def ledgers(settings) -> list[str]:
    return sorted(path.name for path in (settings.ledger_dir / "produced").glob("*"))


def test_the_shopify_example_lands_with_its_amounts_and_everything_is_accounted_for(shop):
    report = run_import(shop.settings, ImportOptions(*SHOPIFY))
    assert (report.exit_code, report.sent, report.run) == (0, 24, "import-000001")
    assert ingest_until_end(shop.settings).as_dict()["landed"] == 24
    counts = {"order.placed": 9, "order.paid": 7, "order.shipped": 6, "order.cancelled": 1, "refund.issued": 1}
    assert landed(shop.settings) == counts
    rows = query(
        shop.settings,
        "select subject, source, event_time at time zone 'UTC', data->>'total', data->>'tax', data->>'coupon'"
        " from raw.orders where event_type = 'shop.order.placed.v1' order by subject limit 2",
    )
    assert [(row[0], row[1], row[2].isoformat(), *row[3:]) for row in rows] == [
        ("shopify-1001", "/shopify/orders", "2026-02-02T08:14:07", "77.20", "12.33", None),
        ("shopify-1002", "/shopify/orders", "2026-02-03T17:40:51", "85.72", "13.69", "WELCOME10"),
    ]
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.hours.holds and (outcome.produced, outcome.landed, outcome.missing) == (24, 24, 0)


def test_the_woocommerce_examples_land_with_their_amounts_and_everything_is_accounted_for(shop):
    assert run_import(shop.settings, ImportOptions(*WOOCOMMERCE)).sent == 16
    customers = EXAMPLES / "woocommerce_customers.ndjson", EXAMPLES / "woocommerce_customers.yml"
    report = run_import(shop.settings, ImportOptions(*customers))
    assert (report.sent, report.run) == (3, "import-000002")
    ingest_until_end(shop.settings)
    assert landed(shop.settings) == {
        "order.placed": 7, "order.paid": 5, "order.cancelled": 1, "refund.issued": 3,
        "customer.created": 3,
    }  # fmt: skip
    assert query(
        shop.settings,
        "select sum((data->>'amount')::numeric), sum((data->>'tax')::numeric) from raw.returns",
    ) == [(Decimal("85.96"), Decimal("17.12"))]
    assert query(shop.settings, "select data->'address'->>'city' from raw.customers where subject = 'woo-21'") == [
        ("Wien",)
    ]
    assert reconcile(shop.settings).holds


def test_importing_twice_lands_once_and_a_later_export_adds_what_is_new(shop, tmp_path):
    map_ = write_map(tmp_path, ORDERS)
    rows = [order_row(n) for n in range(200)]
    first = ImportOptions(write_lines(tmp_path / "march.csv", [ORDER_COLUMNS, *rows]), map_)
    for _ in range(2):
        assert run_import(shop.settings, first).sent == 200
    assert ingest_until_end(shop.settings).as_dict()["duplicates"] == 200
    assert landed(shop.settings) == {"order.placed": 200}

    paid = [order_row(n, paid="2026-03-02T08:00:00Z" if n < 50 else "") for n in range(210)]
    later = ImportOptions(write_lines(tmp_path / "april.csv", [ORDER_COLUMNS, *paid]), map_)
    assert run_import(shop.settings, later).sent == 260
    assert ingest_until_end(shop.settings).as_dict()["landed"] == 60
    assert landed(shop.settings) == {"order.placed": 210, "order.paid": 50}
    assert ledgers(shop.settings) == [f"import-00000{n}.tsv" for n in (1, 2, 3)]
    assert reconcile(shop.settings).holds


def test_every_message_is_in_the_ledger_at_its_place_and_keyed_by_its_order(shop):
    run_import(shop.settings, ImportOptions(*SHOPIFY))
    found = stored(shop.settings)
    assert kafka_places(found) == ledger_places(shop.settings)
    partitions = {}
    for message in found:
        assert json.loads(message.value)["subject"].encode() == message.key
        partitions.setdefault((message.topic, message.key), set()).add(message.partition)
    assert all(len(each) == 1 for each in partitions.values())


def test_a_dry_run_sends_nothing_and_leaves_nothing_behind(shop):
    report = run_import(shop.settings, ImportOptions(*SHOPIFY, dry_run=True))
    assert (report.exit_code, report.events.total(), report.sent, report.run) == (0, 24, 0, None)
    assert messages(shop.settings) == 0 and not (shop.settings.data_dir / "import").exists()
    assert ledgers(shop.settings) == []


def test_a_file_with_a_failing_row_sends_nothing(shop, tmp_path):
    file = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, order_row(1), order_row(2, quantity="x"), order_row(3)])
    report = run_import(shop.settings, ImportOptions(file, write_map(tmp_path, ORDERS)))
    assert (report.exit_code, report.sent, report.failing_entities) == (1, 0, 1)
    assert messages(shop.settings) == 0 and ledgers(shop.settings) == []


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_what_is_sent_and_what_is_rejected_are_everything_and_mended_rows_complete_it(kind, shop, tmp_path):
    map_ = write_map(tmp_path, ORDERS)
    rows = [order_row(n, quantity="0" if n % 10 == 3 else "2") for n in range(100)]
    # An order of two rows of which one fails is rejected with both.
    rows[50:50] = [
        order_row(500, total="40.00", customer="c"),
        order_row(500, total="40.00", customer="c", quantity="0"),
    ]
    table = pl.read_csv(write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, *rows]))
    file = tmp_path / f"orders.{kind}"
    if kind == "ndjson":
        table.write_ndjson(file)
    if kind == "parquet":
        table.write_parquet(file)

    report = run_import(shop.settings, ImportOptions(file, map_, skip_failing=True))
    rejects = tmp_path / f"orders.rejects.{kind}"
    assert (report.exit_code, report.sent, report.failing_entities, report.failing_rows) == (1, 90, 11, 12)
    assert report.rejects == str(rejects)
    read = {"csv": pl.read_csv, "ndjson": pl.read_ndjson, "parquet": pl.read_parquet}[kind]
    rejected = read(rejects)
    assert rejected.columns == table.columns and rejected.schema == read(file).schema
    sent = {json.loads(message.value)["subject"] for message in stored(shop.settings)}
    assert len(sent) == 90 and not sent & set(rejected["order"])
    assert sent | set(rejected["order"]) == set(table["order"])

    mended = rejected.with_columns(quantity=pl.lit(2))
    getattr(mended, f"write_{kind}")(tmp_path / f"mended.{kind}")
    assert run_import(shop.settings, ImportOptions(tmp_path / f"mended.{kind}", map_)).exit_code == 0
    ingest_until_end(shop.settings)
    assert landed(shop.settings) == {"order.placed": 101}
    assert reconcile(shop.settings).holds


def test_rejected_rows_of_a_csv_keep_every_byte(shop, tmp_path):
    map_ = write_map(tmp_path, ORDERS.replace("version: 1", 'version: 1\n    csv: {delimiter: ";", encoding: cp1252}'))
    good, bad = order_row(1).replace(",", ";"), 'o-2;"Größe ""XL"";\n2. Zeile";never;;1.00;p;1;1.00'
    lines = [ORDER_COLUMNS.replace(",", ";"), good, bad, "broken;row", good.replace("o-1", "o-3")]
    file = write_lines(tmp_path / "orders.csv", lines, encoding="cp1252", newline="")
    report = run_import(shop.settings, ImportOptions(file, map_, skip_failing=True, rejects=tmp_path / "later.csv"))
    assert (report.sent, report.failing_entities) == (2, 2)
    assert (tmp_path / "later.csv").read_bytes() == f"{lines[0]}\n{bad}\nbroken;row\n".encode("cp1252")


def test_rejects_of_an_earlier_import_are_not_overwritten(shop, tmp_path):
    map_, target = write_map(tmp_path, ORDERS), tmp_path / "orders.rejects.csv"
    target.write_text("half mended by hand\n")
    file = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, order_row(1), order_row(2, quantity="x")])
    with pytest.raises(ShopError, match="exists already with other rows"):
        run_import(shop.settings, ImportOptions(file, map_, skip_failing=True))
    assert target.read_text() == "half mended by hand\n" and messages(shop.settings) == 0
    target.unlink()
    for _ in range(2):  # the same rows once more are no conflict
        assert run_import(shop.settings, ImportOptions(file, map_, skip_failing=True)).sent == 1
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []


def test_a_file_that_changes_between_the_check_and_the_sending_is_not_sent(shop, tmp_path):
    file, map_ = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, order_row(1)]), write_map(tmp_path, ORDERS)

    @contextlib.contextmanager
    def phase(label):
        yield lambda _done, _total: None
        if label == "checking":
            with file.open("a") as still_open:
                still_open.write(order_row(2) + "\n")

    with pytest.raises(ShopError, match="changed while it was read") as error:
        run_import(shop.settings, ImportOptions(file, map_), phase=phase)
    assert error.value.exit_code == 1 and messages(shop.settings) == 0


def test_stopped_before_it_sends_it_sends_nothing(shop):
    stop = threading.Event()
    stop.set()
    report = run_import(shop.settings, ImportOptions(*SHOPIFY), stop=stop)
    assert (report.exit_code, report.interrupted, messages(shop.settings)) == (130, True, 0)


def test_two_imports_at_once_are_refused(shop):
    with sender(shop.settings, "/test"), pytest.raises(ShopError, match=f"Another import \\(process {os.getpid()}\\)"):
        run_import(shop.settings, ImportOptions(*SHOPIFY))


def test_without_kafka_it_says_so_and_claims_no_ledger(tmp_path):
    settings = load(data_dir=tmp_path, kafka_bootstrap=f"127.0.0.1:{any_free()}")
    with pytest.raises(ShopError, match="does not answer") as error:
        run_import(settings, ImportOptions(*SHOPIFY))
    assert error.value.exit_code == 2 and ledgers(settings) == []


# So many that an import is not over before it can be interrupted.
MANY = 6_000


def command(settings: Settings, *arguments: object, **variables: str) -> subprocess.Popen[str]:
    """Start an import that starts no build: the Dagster of the default address is somebody else's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    return subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "import", "--no-build", *map(str, arguments)],
        env=environment | settings.process_environment() | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def finished(settings: Settings, *arguments: object, **variables: str) -> tuple[int, str, str]:
    with command(settings, *arguments, **variables) as process:
        out, error = process.communicate()
    return process.returncode, out, error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_interrupted_at_any_moment_the_next_run_completes_it(number, code, shop, tmp_path):
    map_ = write_map(tmp_path, ORDERS)
    file = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, *(order_row(n) for n in range(MANY))])
    with command(shop.settings, file, "--map", map_) as process:
        while messages(shop.settings) < 500 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        out, _ = process.communicate()
    assert process.returncode == code
    sent = messages(shop.settings)
    assert 500 <= sent < MANY
    if number != signal.SIGKILL:
        assert f"Interrupted: {sent:,} of {MANY:,} events sent" in out
        assert len(ledger_places(shop.settings)) == sent
    assert finished(shop.settings, file, "--map", map_)[0] == 0
    ingest_until_end(shop.settings)
    assert landed(shop.settings) == {"order.placed": MANY}
    assert kafka_places(stored(shop.settings)) == ledger_places(shop.settings)
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.hours.holds


def test_a_real_import_works_where_simulated_data_is_refused(shop):
    settings = load(data_dir=shop.settings.data_dir, kafka_bootstrap=shop.settings.kafka_bootstrap)
    code, out, error = finished(
        settings, SHOPIFY[0], "--map", SHOPIFY[1], SHOP_ENV="prod", SHOP_ALLOW_SIMULATED_DATA="false",
        **{f"SHOP_PG_{role.value.upper()}_PASSWORD": "a-long-random-password" for role in Role},
    )  # fmt: skip
    assert (code, error) == (0, "") and "24 events sent and acknowledged (import-000001)" in out


def test_the_command_tells_people_and_programs_what_it_did(shop, tmp_path):
    map_ = write_map(tmp_path, ORDERS)
    file = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, order_row(1), order_row(2, quantity="x")])
    code, out, _ = finished(shop.settings, file, "--map", map_, "--dry-run")
    assert code == 1 and "row 3, quantity: 'x' is not a number (order lines[0].quantity)" in out
    assert "1 of 2 entities (1 row) fails" in out and "Dry run: nothing was sent; 1 event could be." in out

    code, out, _ = finished(shop.settings, file, "--map", map_, "--skip-failing", "--json")
    report = json.loads(out)
    assert code == 1 and report.pop("seconds") > 0
    assert report == {
        "file": str(file), "format": "csv", "map": str(map_), "dry_run": False, "rows": 2, "entities": 2,
        "left_out": 0, "repeated": 0, "events": {"shop.order.placed.v1": 1}, "events_total": 1, "sent": 1,
        "run": "import-000001", "rejects": str(tmp_path / "orders.rejects.csv"), "interrupted": False,
        "shop_tz": "Europe/Berlin", "build": None, "store": None, "left_out_because": {},
        "rows_left_out": 0, "blank_rows": 0, "notes": {},
        "days": {"orders": 1, "on_another_day": 0, "clocks": {"UTC": 1}},
        "landed": {
            "compared": True, "because": "", "others": 0, "differing": 0, "staying": 0, "amended": {}, "first": [],
        },
        "failing": {
            "entities": 1, "rows": 1, "problems": 1,
            "first": [
                {"row": 3, "reason": "is not a number", "column": "quantity", "value": "x",
                 "event_type": "order", "field": "lines[0].quantity"},
            ],
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv", "--map", SHOPIFY[1]], "There is no file nowhere.csv"),
        ([SHOPIFY[0], "--map", "nowhere.yml"], "The map nowhere.yml cannot be read"),
        ([SHOPIFY[0], "--map", WOOCOMMERCE[1], "--dry-run"], "has no column"),
        ([SHOPIFY[0], "--map", SHOPIFY[1], "--rejects", "x.csv"], "--rejects goes with --skip-failing"),
    ],
)
def test_a_mistake_ends_in_a_sentence_and_exit_code_2(arguments, said, tmp_path):
    code, out, error = finished(load(data_dir=tmp_path), *arguments)
    assert (code, out) == (2, "") and said in error and "Traceback" not in error


def test_the_help_names_the_file_of_the_rejects_as_it_is_made(tmp_path):
    _, out, _ = finished(load(data_dir=tmp_path), "--help", COLUMNS="200")
    assert "fibu.csv gives fibu.rejects.csv" in out


def test_a_dry_run_loads_neither_numpy_nor_a_kafka_client():
    code = """
import sys
from pathlib import Path
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.settings import load
run_import(load(), ImportOptions(Path(sys.argv[1]), Path(sys.argv[2]), dry_run=True))
assert not {"numpy", "faker", "confluent_kafka"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, *SHOPIFY], check=True, cwd=Path(__file__).parents[2])
