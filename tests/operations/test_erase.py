"""`shop erase` from the event to the proof that nothing is left, beside the marts, their full refresh and a service."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from shop_platform.errors import ShopError
from shop_platform.ingest.topics import admin_client
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations import erase as module
from shop_platform.operations import rebuild
from shop_platform.operations.erase import erase, look
from shop_platform.operations.rebuild import rebuild_and_compare
from shop_platform.operations.reconcile import reconcile
from tests.support import people as p
from tests.support.events import LedgerProducer, page_view
from tests.support.planned import run_by_plan
from tests.support.waiting import eventually


def cli(settings, *arguments, answer=None):
    return subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", "erase", *arguments],
        env=os.environ | settings.process_environment(),
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )


def send(shop, *events):
    producer = LedgerProducer(shop.settings)
    producer.send(events)
    return producer


def a_customer(number=1):
    customer, session = f"cus_{number}", f"ses_{number}"
    return [
        p.created(customer),
        p.updated(customer),
        p.session_started(session, customer),
        p.searched(session),
        p.ordered(f"ord_{number}", customer, session),
    ]


def test_erasure_removes_a_customer_everywhere_and_survives_a_full_refresh(shop, monkeypatch):
    monkeypatch.setattr(rebuild, "run_dbt", run_by_plan)
    customer = a_customer(1)
    customer[-1]["data"]["coupon"] = "EVAS-10"
    customer[2]["data"]["landing_page"] = f"/hello?mail={p.PLANTED[2]}"
    producer = send(shop, *customer)
    bad = p.updated("cus_1")
    del bad["data"]["locale"]
    producer.send_raw("shop.customers", json.dumps(bad).encode(), bad["id"], key="cus_1")
    producer.flush()
    ingest_until_end(shop.settings)
    run_by_plan(shop.settings, ["run"])
    assert p.places_with(shop.settings) == {"ops.dead_letters": 1, "pii.personal_data": 3}, "and in no model"

    done = cli(shop.settings, "cus_1", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["complete"] and told["sent"] and "7 days" in told["beyond_reach"]
    found = {"personal_data": 2, "search_words": 1, "dead_letters": 1, "waiting": 1, "unsplit": 0, "events": 2}
    assert told["found"] | found == told["found"] and told["found"]["orders"] == 1
    assert told["found"]["texts"] == 4, "the town twice, the page, the coupon"
    assert not any(value in done.stdout for value in p.PLANTED)
    assert p.places_with(shop.settings) == {}

    run_by_plan(shop.settings, ["run"])
    verdict = rebuild_and_compare(shop.settings)
    assert verdict.holds, verdict.as_dict()
    run_by_plan(shop.settings, ["run", "--full-refresh"])
    assert rebuild_and_compare(shop.settings).holds and p.places_with(shop.settings) == {}
    assert p.rows(
        shop.settings,
        "select is_erased, country, city, orders_count from marts.dim_customers where customer_id = 'cus_1'",
    ) == [(True, "DE", None, 1)]
    assert p.rows(shop.settings, "select coupon, has_coupon, gross_amount::text from marts.fct_discounts") == [
        ("[removed]", True, "10.00")
    ]
    assert p.places_with(shop.settings, ("EVAS-10",)) == {}
    assert p.rows(shop.settings, "select count(*), sum(gross_amount) from marts.fct_orders")[0][0] == 1

    late = [p.updated("cus_1", time=p.later(days=1)), p.searched("ses_1", time=p.later(minutes=5))]
    producer.send(late)
    ingest_until_end(shop.settings)
    run_by_plan(shop.settings, ["run"])
    assert p.places_with(shop.settings) == {} and rebuild_and_compare(shop.settings).holds
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.hours.holds and outcome.produced == 9


def test_a_person_sees_numbers_is_asked_and_may_say_no(shop):
    send(shop, *a_customer(1))
    ingest_until_end(shop.settings)
    refused = cli(shop.settings, "cus_1", answer="n\n")
    assert refused.returncode == 1 and "2 events" in refused.stdout and "Kafka keeps" in refused.stdout
    assert look(shop.settings, "cus_1").personal == 6
    done = cli(shop.settings, "cus_1", answer="y\n")
    assert done.returncode == 0 and "nothing personal about cus_1 is left" in done.stdout
    assert not any(value in refused.stdout + done.stdout for value in p.PLANTED)


def test_asking_twice_lands_once_and_a_killed_call_is_made_up_for(shop):
    send(shop, *a_customer(1))
    ingest_until_end(shop.settings)
    assert erase(shop.settings, "cus_1", "request").sent
    again = erase(shop.settings, "cus_1", "request")
    assert again.complete and not again.sent
    ledger = next((shop.settings.ledger_dir / "produced").glob("erase-*.tsv"))
    ledger.write_text("")  # what a kill leaves whose message Kafka took
    assert not reconcile(shop.settings).holds
    assert not erase(shop.settings, "cus_1", "request").sent, "it is there; what the ledger lacks is written down"
    assert p.rows(shop.settings, "select count(*) from raw.customers where event_type like '%erased%'") == [(1,)]
    outcome = reconcile(shop.settings)
    assert outcome.holds and (outcome.duplicates, outcome.dead_lettered) == (0, 0)


def test_an_erasure_accounts_for_itself_and_not_for_a_real_shop(shop):
    events = a_customer(1)
    send(shop, *events)
    ingest_until_end(shop.settings)
    for path in (shop.settings.ledger_dir / "produced").glob("*.tsv"):
        path.unlink()
    erase(shop.settings, "cus_1", "request")
    outcome = reconcile(shop.settings)
    assert outcome.holds and (outcome.produced, outcome.foreign) == (1, len(events))


def test_somebody_unknown_is_named_and_nothing_is_sent_unless_forced(shop):
    send(shop, p.created("cus_1"))
    ingest_until_end(shop.settings)
    done = cli(shop.settings, "cus_404", "--yes")
    assert done.returncode == 1 and "nothing of a customer 'cus_404'" in done.stderr and "Traceback" not in done.stderr
    assert p.rows(shop.settings, "select count(*) from raw.customers") == [(1,)]
    assert cli(shop.settings, "cus_404", "--yes", "--force").returncode == 0
    send(shop, p.created("cus_404"))
    ingest_until_end(shop.settings)
    assert p.rows(shop.settings, "select subject from pii.personal_data") == [("cus_1",)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["anna@private.example", "--yes"], "not a customer_id"),
        (["cus_1", "--reason", "Because I can", "--yes"], "not a reason"),
        ([], "Nobody was named"),
        (["cus_1", "--json"], "Add --yes"),
        (["cus_1", "--reapply"], "without a customer"),
    ],
)
def test_a_mistake_is_explained(fresh_warehouse, arguments, said):
    done = cli(fresh_warehouse.settings, *arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_running_service_lands_it(shop):
    send(shop, *a_customer(1), page_view(1))
    service = subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "ingest"],
        env=os.environ | shop.settings.process_environment() | {"SHOP_INGEST_REPORT_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: look(shop.settings, "cus_1").personal == 6)
        eventually(lambda: p.rows(shop.settings, "select count(*) from ops.ingest_services") == [(1,)])
        assert erase(shop.settings, "cus_1", "request").complete
        writers = p.rows(shop.settings, "select count(distinct writer) from ops.ingest_batches")
        assert writers == [(1,)], "the service wrote everything"
    finally:
        service.terminate()
        service.wait(60)


def test_what_is_left_is_told_with_exit_code_1(shop):
    send(shop, p.created("cus_1"))
    ingest_until_end(shop.settings)
    p.rows(  # as an older version that still runs would write it
        shop.settings,
        "insert into raw.customers (event_id, event_type, source, subject, event_time, data, kafka_partition,"
        " kafka_offset) values (gen_random_uuid(), 'shop.customer.updated.v1', '/old', 'cus_1', now(),"
        " jsonb_build_object('email', 'x'), 0, 0)"
        " returning 1",
    )
    done = cli(shop.settings, "cus_1", "--yes")
    assert done.returncode == 1 and "NOT erased whole" in done.stdout and "move_from_raw" in done.stdout
    p.rows(shop.settings, "select pii.move_from_raw()")
    assert cli(shop.settings, "cus_1", "--yes").returncode == 0


def test_without_the_topic_it_says_so_before_anything_changes(shop):
    send(shop, p.created("cus_1"))
    ingest_until_end(shop.settings)
    kafka = admin_client(shop.settings)
    kafka.delete_topics(["shop.customers"])["shop.customers"].result(10)
    with pytest.raises(ShopError, match="no topic"):
        module.erase(shop.settings, "cus_1", "request")
    assert look(shop.settings, "cus_1").personal_data == 1
