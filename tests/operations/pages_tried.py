"""How every command of the pages is tried: page, command, state of the stack, and what must come of it."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Typed into a shell in the checkout while the stack is in ``state``; ``role``: a query, asked as this role."""

    state: str = "up"
    role: str = ""
    codes: tuple[int, ...] = (0,)
    says: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """Held by another test, which is named: too dear to do twice, or it would end the stack."""

    test: str


@dataclass(frozen=True)
class Exists:
    """Only checked to exist, and why."""

    why: str


How = Run | Elsewhere | Exists

DEMO = "tests/local/test_demo.py::test_the_demo_serves_goes_on_with_the_same_data_and_ends_verified"
RESET = Elsewhere("tests/local/test_demo.py::test_a_killed_demo_leaves_no_process_behind_and_can_be_reset")
GATE = Exists("what every change passes: .ci/run, or the test suite itself")
DOCKER = Exists("needs Docker, which the gate's machine may lack; tests/deploy checks the services and their commands")
MACHINE = Exists("a tool of the operating system")
NAMED = Exists("named without its arguments; the lines with them are tried")
FOR_EVER = Exists("runs until Ctrl-C: the stack runs this very service")
FULL = Exists("minutes of building; a part of it is tried, and the gate builds everything")

RETRACT = Elsewhere("tests/landed_events/test_retract_and_restore.py")
TEST_TILL = (
    'shop events retract --source /shop/test-till --until 2026-11-30T00:00:00Z --reason "a test till, ticket OPS-21"'
)
ONE_EVENT = 'shop events retract 019aa6b4-7c1e-7d3a-9f2e-5b1c0d4e8a77 --reason "ten times its sum, ticket OPS-22"'
RETENTION = Elsewhere("tests/operations/test_retention.py")

# Exit code 1: a check warns or fails, as on any day.
STATUS = Run(codes=(0, 1), says="Services")
I1 = Run(says="I1 holds")
VERIFY = Elsewhere(DEMO)
RELOAD = Run("failing", says="warehouse was loaded again")
REFRESHER = f"{socket.gethostname()}/"
LETTERS = Run(says="dead letters")
OFFSETS = Run(says="shop.orders")


def ask(role: str = "transform", says: str = "row", state: str = "up") -> Run:
    """Return how a query is tried."""
    return Run(state, role, says=says)


TRIED: dict[str, dict[str, How]] = {
    "runbooks/README.md": {
        "select opened_at, severity, title, detail, last_error from ops.alerts where resolved_at is null"
        " order by opened_at": ask(),
        "shop status": STATUS,
        "shop monitor": FOR_EVER,
        "make demo": Elsewhere(DEMO),
        "shop up": Elsewhere(DEMO),
    },
    "runbooks/check-failed.md": {
        'eval "$(shop env)" && cd dbt_project': Run("failing"),
        "dbt show --select <check> --limit 5 --output json": Run("failing", says="cohort_month"),
        "select * from test_failures.orders_change_status_as_they_may": ask(),
        "shop events show --help": Run(says="Usage"),
        f"{ONE_EVENT} --dry-run": Run(codes=(2,), says="There is no landed event"),
        ONE_EVENT: RETRACT,
        "shop events restore": NAMED,
    },
    "runbooks/code-location.md": {
        "shop ingest": FOR_EVER,
        "shop backfill": NAMED,
        "docker compose logs dagster-<name>": DOCKER,
        "shop status": STATUS,
        "docker compose ps": DOCKER,
        "cd dbt_project && dbt parse": GATE,
    },
    "runbooks/dead-letters.md": {
        "shop dead-letters list": LETTERS,
        "shop dead-letters show --help": Run(says="Usage"),
        "shop dead-letters replay": NAMED,
        "shop dead-letters fix": NAMED,
        "shop dead-letters discard": NAMED,
    },
    "runbooks/frozen.md": {
        "shop status": STATUS,
        "select refresher, state, heartbeat_at from ops.refreshers order by heartbeat_at desc": ask(says=REFRESHER),
        "docker compose ps": DOCKER,
        "docker compose logs --tail 50 <name>": DOCKER,
        "docker compose restart <name>": DOCKER,
        "select * from pg_stat_activity where wait_event_type = 'Lock'": ask(),
        "shop verify --only i1": I1,
    },
    "runbooks/halted.md": {
        "shop status": Run("halted", codes=(1, 3), says="HALTED"),
        "shop offsets list": Run("halted", codes=(1,), says="shop offsets accept shop.orders"),
        "shop topics": Run("halted", says="all topics are there"),
        "shop offsets accept shop.orders --because 'the client of release 41'": Elsewhere(DEMO),
        "shop verify --only i1": I1,
        "select topic, reason, message, resolved_at, resolved_by, resolved_because from ops.ingest_halts"
        " order by halt_id desc": ask(says="shop.orders", state="halted"),
    },
    "runbooks/ingestion-behind.md": {
        "shop status": STATUS,
        "shop ingest": FOR_EVER,
        "shop ingest --processes 2": Elsewhere("tests/ingest/test_fleet.py"),
        "shop verify --only i1": I1,
    },
    "runbooks/invariant-broken.md": {
        "shop verify --only i1": I1,
        "shop verify --only i2": VERIFY,
        "shop offsets list": OFFSETS,
        "shop dead-letters list": LETTERS,
        "shop dead-letters replay": NAMED,
        "select * from ops.reconciliation where difference <> 0": ask(),
        "shop verify": VERIFY,
        'make test ARGS="tests/dbt/test_worlds.py"': GATE,
    },
    "runbooks/marts-stale.md": {"shop status": STATUS},
    "runbooks/refresher.md": {
        "select model, failures, error, attempted_at from ops.hot_models where failures > 0": ask(),
        "shop refresh": FOR_EVER,
        "shop status": STATUS,
    },
    "runbooks/restore.md": {
        "tar -cpf shop.tar .shop": Run("down"),
        "mv .shop .shop.lost": Run("down"),
        "tar -xpf shop.tar": Run("down"),
        "shop up": Elsewhere(DEMO),
        'eval "$(shop env)"': Run(),
        "export PGHOST=$SHOP_PG_HOST PGPORT=$SHOP_PG_PORT PGUSER=shop_admin PGPASSWORD=$SHOP_PG_ADMIN_PASSWORD": Run(),
        'for i in 1 2 3; do pg_dump --format=custom --file=shop.dump "$SHOP_PG_DATABASE" && break; done': Run(),
        "createdb restored && pg_restore --exit-on-error --no-comments --dbname=restored shop.dump": Run(),
        'psql -d restored -c "select count(*) from raw.orders"': Run(says="1 row"),
        "dropdb restored": Run(),
        'docker run --rm -v shop_postgres-data:/data -v "$PWD":/copy debian:stable-slim'
        " tar -cpf /copy/postgres-data.tar -C /data .": DOCKER,
        'docker run --rm -v shop_postgres-data:/data -v "$PWD":/copy debian:stable-slim'
        " tar -xpf /copy/postgres-data.tar -C /data": DOCKER,
        "docker compose stop": DOCKER,
        "docker compose exec postgres": DOCKER,
        "docker compose ps": DOCKER,
        "shop offsets list": OFFSETS,
        "shop erase --reapply": Run(says="asked to be forgotten"),
        "shop verify": VERIFY,
    },
    "runbooks/run-failed.md": {
        'eval "$(shop env)" && cd dbt_project': Run(),
        "shop reload": RELOAD,
        "dbt build --select <name> --indirect-selection buildable": Run(says="ERROR=0"),
        "shop status": STATUS,
        "shop verify": VERIFY,
    },
    "runbooks/service-away.md": {
        "shop status": STATUS,
        "docker compose up -d postgres kafka": DOCKER,
        "df -h": MACHINE,
        "docker compose restart postgres": DOCKER,
        "docker compose run --rm migrate": DOCKER,
        "select usename, application_name, count(*) from pg_stat_activity group by 1, 2": ask(),
        "shop retention": RETENTION,
        "shop verify --only i1": I1,
    },
    "runbooks/stack-does-not-start.md": {
        "make demo": Elsewhere(DEMO),
        "shop up": Elsewhere(DEMO),
        "shop status": STATUS,
        "shop reset": RESET,
        "docker compose ps": DOCKER,
        "docker compose logs --tail 50 <name>": DOCKER,
        "shop verify": VERIFY,
    },
    "runbooks/stale.md": {"shop status": STATUS},
    "guide.md": {
        "shop up": Elsewhere(DEMO),
        "shop monitor": FOR_EVER,
        ". .venv/bin/activate": Run(),
        'eval "$(shop env)"': Run(),
        "shop status": STATUS,
        "shop verify": VERIFY,
        "shop verify --only i1": I1,
        "export PGHOST=$SHOP_PG_HOST PGPORT=$SHOP_PG_PORT PGDATABASE=$SHOP_PG_DATABASE PGUSER=shop_dashboard"
        " PGPASSWORD=$SHOP_PG_DASHBOARD_PASSWORD": Run(),
        'psql -c "select date_day, orders_count, net_amount from marts.kpi_daily order by 1 desc limit 7"': Run(
            says="rows"
        ),
        "select order_id, gross_amount, net_amount, status from marts.fct_orders where order_date = date '2026-11-20'"
        " limit 5": ask(),
        "select event_time, event_type, data from raw.orders where subject = '<order_id>' order by event_time": ask(),
        "select topic, partition, first_offset, next_offset, writer, committed_at from ops.ingest_batches"
        " order by batch_id desc limit 5": ask(says="5 rows"),
        "select error_class, count(*), min(reason) from ops.dead_letter_feed group by 1 order by 2 desc": ask(
            says="unknown_version"
        ),
        "select date_day, measure, old_value, new_value, reason, sample_event_ids from marts.kpi_restatements"
        " where restated_at > now() - interval '7 days' order by restated_at desc": ask("dashboard"),
        "select distinct on (date_day, currency) date_day, currency, value from marts.kpi_daily_versions"
        " where measure = 'net_amount' and published_at <= '2026-03-03 12:00+01'"
        " order by date_day, currency, version desc": ask("dashboard"),
        "cd dbt_project": Run(),
        "dbt debug": Exists("asks for what the commands of dbt that are typed need as well"),
        'dbt ls --select "+kpi_daily"': Elsewhere("tests/dbt/test_selectors.py"),
        "export SHOP_DBT_SCHEMA_PREFIX=anna__": Run(),
        "dbt build": FULL,
        'dbt build --select "+kpi_daily" --indirect-selection buildable': FULL,
        "unset SHOP_DBT_SCHEMA_PREFIX && dbt parse": Run(),
        "mf query --metrics net_amount,conversion_rate --group-by metric_time__day,currency,channel": Run(
            says="net_amount"
        ),
        "shop ingest": FOR_EVER,
        "shop ingest --processes 4": Elsewhere("tests/ingest/test_fleet.py"),
        "shop ingest --until-end": Run(says="messages:"),
        "shop status --json": Elsewhere(DEMO),
        "shop offsets list": OFFSETS,
        "shop dead-letters list": LETTERS,
        "shop offsets accept shop.web --partition 3 --because 'retention passed while we moved; the shop sends March"
        " again'": Elsewhere("tests/ingest/test_decisions.py"),
        "select event_time, data from pii.personal_data where subject = '<customer_id>' and customer_id is not null"
        " order by event_time desc limit 1": ask("admin"),
        'CUSTOMER=$(psql -Atc "select customer_id from marts.dim_customers limit 1")': Run(),
        'shop erase "$CUSTOMER"': Run(says="nothing personal about", answer="y"),
        'shop erase "$CUSTOMER" --yes --json': Run(says='"complete": true'),
        "shop erase --reapply": Run(says="asked to be forgotten"),
        "export SHOP_RETENTION=web=25": Run(),
        "shop retention --dry-run": Run(codes=(0, 1)),
        "shop retention": RETENTION,
        "make demo": Elsewhere(DEMO),
        "shop backfill --from 2026-11-01 --to 2026-11-07": Elsewhere("tests/orchestration/test_platform.py"),
        "shop reload": RELOAD,
        "shop refresh": FOR_EVER,
        "select * from ops.refreshers": ask(says=REFRESHER),
        "select * from ops.hot_models": ask(says="kpi_daily"),
        "python -m grafana.build": GATE,
        '$(python -c "from shop_platform.local.postgres import BIN; print(BIN)")/psql': Run(answer="select 1;"),
        "drop schema anna__staging, anna__intermediate, anna__marts, anna__test_failures cascade": Exists(
            "needs the schemas of a whole prefixed build"
        ),
        "delete from ops.model_watermarks where model like 'anna\\_\\_%'": ask(says="DELETE 0"),
        "dbt build --selector hot": Elsewhere("tests/dbt/test_selectors.py"),
        "select * from test_failures.orders_change_status_as_they_may": ask(),
        'make test ARGS="tests/dbt/test_conventions.py"': GATE,
        'dbt build --select "+<name>" --indirect-selection buildable': FULL,
        "make lint": GATE,
        "make slim-ci BASE=origin/main": Elsewhere("tests/local/test_slim_ci.py"),
        ".venv/bin/python -m shop_platform.operations.glossary": GATE,
        "make docs": Elsewhere("tests/local/test_model_docs.py"),
        "make airflow": Exists("starts Airflow until Ctrl-C; tests/airflow runs a real one"),
        "shop dead-letters replay --class unknown_version": Run("letters", codes=(1,), says="still invalid"),
        "shop import": Elsewhere("tests/importing"),
        "SHOP_INGEST_HEALTH_PORT=8090 shop ingest": Elsewhere("tests/ingest/test_health.py"),
        "shop migrate": Run(says="nothing to apply"),
        "docker compose run --rm migrate shop retention": DOCKER,
    },
    "producers.md": {
        "export SHOP_DATA_DIR=$PWD/.shop-mine": Exists("the folder of another stack than the one that is up"),
        "shop up": Elsewhere(DEMO),
        "shop status": STATUS,
        "shop verify --only i1": I1,
        "shop verify": VERIFY,
        "shop dead-letters list": LETTERS,
        "shop dead-letters replay": NAMED,
        "kafka-configs.sh --bootstrap-server ... --alter --entity-type users --entity-name acme-checkout"
        " --add-config 'SCRAM-SHA-512=[password=...]'": Exists(
            "a tool of Kafka; the test makes the user as its broker starts"
        ),
        "kafka-acls.sh --bootstrap-server ... --add --allow-principal User:acme-checkout --topic shop.orders"
        " --topic shop.returns --operation Write --operation Describe": Elsewhere("tests/kafka/test_secure_kafka.py"),
        "shop events validate events.ndjson": Elsewhere("tests/events/test_validate.py"),
        "shop events validate --topic shop.orders --json < events.ndjson": Elsewhere("tests/events/test_validate.py"),
    },
    "troubleshooting.md": {
        "shop status": STATUS,
        "sudo apt-get install python3-venv": MACHINE,
        "make clean setup": Exists("removes the environment that the tests run in; tests/local/test_setup.py"),
        "ss -ltnp": MACHINE,
        "make reset": RESET,
        "unset SHOP_ENV": Run(),
        "free -m": MACHINE,
        'eval "$(shop env)"': Run(),
        "shop up": Elsewhere(DEMO),
        "shop env": Run(says="export SHOP_PG_PORT="),
        "shop migrate": Run(says="nothing to apply"),
        "shop topics": Run(says="all topics are there"),
        "shop offsets accept shop.orders --because '...'": Elsewhere(DEMO),
        "shop offsets accept shop.web --partition 3 --because '...'": Elsewhere("tests/ingest/test_decisions.py"),
        "shop offsets accept shop.web --because '...'": Elsewhere("tests/ingest/test_breaker.py"),
        "select * from pg_stat_activity where wait_event_type = 'Lock'": ask(),
        "shop ingest --processes 2": Elsewhere("tests/ingest/test_fleet.py"),
        "shop dead-letters list": LETTERS,
        "shop offsets list": OFFSETS,
        "shop ingest --until-end": Run(says="messages:"),
        "shop generate history": Elsewhere(DEMO),
        "make demo": Elsewhere(DEMO),
        "dbt build": FULL,
        "select * from ops.hot_models where failures > 0": ask(),
        "shop verify": VERIFY,
        "select * from ops.reconciliations order by 1 desc": ask(),
        "select * from ops.model_watermarks": ask(says="fct_orders"),
        "select pid, usename, state, xact_start, query from pg_stat_activity where xact_start is not null"
        " order by xact_start": ask("admin"),
        "cd dbt_project && dbt parse": GATE,
        "shop generate live": FOR_EVER,
        "select incident, last_error from ops.alerts where told_at is null": ask(),
        "shop reload": RELOAD,
        "docker compose up migrate": DOCKER,
        "docker compose up --detach grafana": DOCKER,
        "make airflow": Exists("starts Airflow until Ctrl-C; tests/airflow runs a real one"),
        "make airflow-env": GATE,
        "python3 deploy/make_env.py": Elsewhere("tests/deploy/test_compose.py"),
        "docker compose logs migrate": DOCKER,
        "make lint": GATE,
        "python -m shop_platform.events.publish": GATE,
        "python -m grafana.build": GATE,
        "python -m tests.orchestration.update_golden": Exists("rewrites a file that is judged by test_graph.py"),
    },
    "dead-letters.md": {
        "shop dead-letters list": Run("letters", says="envelope_invalid"),
        "shop dead-letters show 5": Run("letters", says="/shop/web"),
        "shop dead-letters fix --class envelope_invalid --topic web --path '$.source'"
        " --set '$.source=\"/shop/web\"' --dry-run": Run("letters", says="would be fixed"),
        "shop dead-letters fix --class envelope_invalid --topic web --path '$.source'"
        " --set '$.source=\"/shop/web\"'": Run("letters", says="fixed, 0 unchanged"),
        "shop dead-letters show 2 --raw > letter.json": Run("letters"),
        '"${EDITOR:-vi}" letter.json': Run("letters"),
        "shop dead-letters fix 2 --value letter.json": Run("letters", says="fixed"),
        "rm letter.json": Run("letters"),
        "shop dead-letters replay --dry-run": Run("letters", codes=(0, 1), says="would be landed"),
        "shop dead-letters replay": Run("letters", codes=(1,), says="landed, 0 settled as duplicates"),
        "shop dead-letters feed --source /shop/web": Run("letters", says="/shop/web"),
        "shop dead-letters feed --source /shop/web --since 24h --exit-code": Run("letters", codes=(0, 1)),
        "shop dead-letters feed --source /shop/web --each --json --limit 1000": Run("letters"),
        'shop dead-letters discard 9 --because "an error page of the proxy, ticket OPS-17"': Run(
            "letters", says="1 discarded"
        ),
        "shop offsets accept shop.web --because 'the client of release 41, fixed at noon'": Elsewhere(
            "tests/ingest/test_breaker.py"
        ),
        "shop events show --type order.placed --limit 1": Run("letters", says="more; --limit"),
        f"{TEST_TILL} --dry-run": Run("letters", says="0 would be retracted"),
        f"{TEST_TILL} --yes": Run("letters", says="Nothing was retracted"),
        ONE_EVENT: RETRACT,
        'shop events restore 019aa6b4-7c1e-7d3a-9f2e-5b1c0d4e8a77 --reason "it was right after all"': RETRACT,
        'shop events restore --source /shop/test-till --reason "those were real sales" --dry-run': Run(
            "letters", says="0 would be restored"
        ),
        "shop events": NAMED,
        "shop events restore": NAMED,
        "shop events marts": Run("letters", codes=(0, 1), says="mart"),
        "shop status": STATUS,
        "dbt run": FULL,
        "shop verify": VERIFY,
        "shop dead-letters": NAMED,
        "shop ingest": FOR_EVER,
        "shop verify --only i1": Run("letters", says="I1 holds"),
        "shop offsets list": OFFSETS,
        "shop migrate": Run(says="nothing to apply"),
    },
}
