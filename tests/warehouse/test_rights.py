"""Each role can do its work and nothing else: every denial of the matrix is asserted."""

from __future__ import annotations

import psycopg
import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect

RAW_READ = "select count(*) from raw.orders"
RAW_WRITE = "insert into raw.orders select * from raw.orders"
RAW_DELETE = "delete from raw.orders"
RAW_CHANGE = "update raw.orders set _xid = _xid"
RAW_TEXTS = "update raw.orders set data = data"
RAW_OTHER_TEXTS = "update raw.products set data = data"
OFFSETS_WRITE = "update ops.ingest_offsets set next_offset = 0"
LEDGER_CHANGE = "update ops.ingest_batches set landed = 0"
DEAD_BYTES = "select message_value from ops.dead_letters"
DEAD_CLASSES = "select error_class, count(*) from ops.dead_letters group by 1"
DEAD_OUTCOMES = "select status, outcome, incarnation, event_time from ops.dead_letters"
DEAD_FIXES = "select fixed_value from ops.dead_letters"
DEAD_ERRORS = "select error from ops.dead_letters"
DEAD_HEADERS = "select message_key, headers from ops.dead_letters"
DEAD_SENTENCES = "select error_sentence from ops.dead_letters"
FEED_READ = "select source, event_type, reason, cause from ops.dead_letter_feed"
FEED_WRITE = "update ops.dead_letter_feed set status = 'open' where false"
DEAD_WRITE = "update ops.dead_letters set status = 'open' where false"
DEAD_DELETE = "delete from ops.dead_letters where false"
ACTIONS_READ = "select action_id, dead_letter_id, action, actor, reason, outcome, at from ops.dead_letter_actions"
ACTIONS_DETAIL = "select detail from ops.dead_letter_actions"
ACTIONS_WRITE = (
    "insert into ops.dead_letter_actions (dead_letter_id, action, actor, outcome) values (0, 'fix', 'test', 'fixed')"
)
ACTIONS_CHANGE = "update ops.dead_letter_actions set actor = 'nobody'"
ACTIONS_REDACT = "update ops.dead_letter_actions set detail = '{}' where false"
ACTIONS_DELETE = "delete from ops.dead_letter_actions"
RAW_DELETE = "delete from raw.web where false"
RETRACT = "select ops.retract('web', '{}', 'test', 'a test')"
RETRACTIONS_READ = "select data from ops.retractions"
RETRACTIONS_SEEN = "select event_id, retracted_by, because, restored_by from ops.retractions"
RETRACTIONS_RESTORE = "update ops.retractions set restored_at = now(), restored_by = 'test' where false"
RETRACTIONS_CHANGE = "update ops.retractions set because = 'nothing' where false"
RETRACTIONS_ADD = "insert into ops.retractions (because) values ('nothing')"
RETRACTIONS_DELETE = "delete from ops.retractions where false"
ZONE_READ = "select shop_tz from ops.warehouse_identity"
ZONE_CHANGE = "update ops.warehouse_identity set changing_to = shop_tz where false"
DEAD_ERASED = "select erased_at from ops.dead_letters"
PERSONAL_READ = "select data from pii.personal_data"
PERSONAL_WRITE = "insert into pii.personal_data select * from pii.personal_data"
PERSONAL_ERASE = "delete from pii.personal_data"
PERSONAL_CHANGE = "update pii.personal_data set data = '{}'"
PERSONAL_EMPTY = "truncate pii.personal_data"
SESSIONS_ADD = "insert into pii.erased_sessions select session_id from pii.erased_sessions"
SESSIONS_FORGET = "delete from pii.erased_sessions"
PERSONAL_MOVE = "select pii.move_from_raw()"
PERSONAL_CLEAN = "select pii.clean_texts_in_raw()"
PERSONAL_MAKE = "create table pii.probe (id int)"
RUNS_READ = "select * from ops.pipeline_runs"
RUNS_WRITE = "update ops.pipeline_runs set status = 'x'"
MARTS_MAKE = "create table marts.probe (id int)"
MIGRATIONS_CHANGE = "delete from ops.schema_migrations"
PUBLIC_MAKE = "create table public.probe (id int)"

ALLOWED = {
    Role.INGEST: {RAW_READ, RAW_WRITE, OFFSETS_WRITE, DEAD_BYTES, DEAD_CLASSES},
    Role.TRANSFORM: {RAW_READ, DEAD_CLASSES, RUNS_READ, MARTS_MAKE},
    Role.ORCHESTRATOR: {RAW_READ, DEAD_CLASSES, RUNS_READ, RUNS_WRITE},
    Role.DASHBOARD: {DEAD_CLASSES, RUNS_READ},
    Role.GRAFANA: {DEAD_CLASSES, RUNS_READ},
    Role.BI: set(),
    Role.PRODUCER: {FEED_READ},
}
# The dead-letter desk: screens and services see what was done about which letter, never what is in it.
_SCREENS_SEE = {DEAD_OUTCOMES, ACTIONS_READ}
_SERVICES_SEE = _SCREENS_SEE | {DEAD_SENTENCES, ACTIONS_DETAIL}
for _role in (Role.DASHBOARD, Role.GRAFANA):
    ALLOWED[_role] |= _SCREENS_SEE
for _role in (Role.TRANSFORM, Role.ORCHESTRATOR):
    ALLOWED[_role] |= _SERVICES_SEE
ALLOWED[Role.INGEST] |= _SERVICES_SEE | {DEAD_FIXES, DEAD_ERRORS, DEAD_HEADERS, DEAD_WRITE, ACTIONS_WRITE}
# A retraction: nobody deletes from raw or changes the record, the ingestion's role calls the function that does both.
ALLOWED[Role.INGEST] |= {RETRACT, RETRACTIONS_READ, RETRACTIONS_SEEN, RETRACTIONS_RESTORE}
for _role in (Role.TRANSFORM, Role.ORCHESTRATOR):
    ALLOWED[_role] |= {RETRACTIONS_READ, RETRACTIONS_SEEN}
for _role in (Role.DASHBOARD, Role.GRAFANA):
    ALLOWED[_role] |= {RETRACTIONS_SEEN}
# Personal data: nobody but the ingestion, which adds and erases and never changes; of raw it erases texts.
ALLOWED[Role.INGEST] |= {PERSONAL_READ, PERSONAL_WRITE, PERSONAL_ERASE, SESSIONS_ADD, RAW_TEXTS, ACTIONS_REDACT}
for _role in ALLOWED.keys() - {Role.BI, Role.PRODUCER}:
    ALLOWED[_role] |= {DEAD_ERASED}
# The zone of the business days: services and screens read it, what builds stores it.
for _role in ALLOWED.keys() - {Role.BI, Role.PRODUCER}:
    ALLOWED[_role] |= {ZONE_READ}
ALLOWED[Role.TRANSFORM] |= {ZONE_CHANGE}
for _role in (Role.INGEST, Role.TRANSFORM, Role.ORCHESTRATOR):
    ALLOWED[_role] |= {FEED_READ}
STATEMENTS = [name for name in dir() if name.isupper() and isinstance(globals()[name], str)]


@pytest.mark.parametrize("role", ALLOWED)
@pytest.mark.parametrize("name", STATEMENTS)
def test_right(warehouse, role, name):
    statement = globals()[name]
    with connect(warehouse.settings, role) as connection:
        if statement in ALLOWED[role]:
            connection.execute(statement)
        else:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                connection.execute(statement)
        connection.rollback()


@pytest.mark.parametrize("role", [Role.INGEST, Role.TRANSFORM, Role.DASHBOARD, Role.GRAFANA, Role.BI, Role.PRODUCER])
def test_only_the_orchestrator_enters_dagster_s_database(warehouse, role):
    connect(warehouse.settings, Role.ORCHESTRATOR, database=warehouse.settings.dagster_database).close()
    with pytest.raises(Exception, match="did not let"):
        connect(warehouse.settings, role, database=warehouse.settings.dagster_database)


@pytest.mark.parametrize(
    ("role", "limit"), [(Role.DASHBOARD, "15s"), (Role.GRAFANA, "30s"), (Role.BI, "5min"), (Role.PRODUCER, "15s")]
)
def test_readers_cannot_run_away_nor_forget_a_transaction(warehouse, role, limit):
    with connect(warehouse.settings, role) as connection:
        assert connection.execute("show statement_timeout").fetchone() == (limit,)
        assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)
        assert connection.execute("show idle_in_transaction_session_timeout").fetchone() == ("1min",)


def test_a_producer_s_team_reads_the_feed_and_no_other_table_view_or_function_of_ours(warehouse):
    with connect(warehouse.settings, Role.PRODUCER) as connection:
        readable = connection.execute(
            "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname not in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v', 'm', 'p', 'f')"
            " and (has_table_privilege(c.oid, 'select, insert, update, delete, truncate')"
            " or has_any_column_privilege(c.oid, 'select, insert, update'))"
            " and has_schema_privilege(n.oid, 'usage')"
        ).fetchall()
        assert readable == [("ops.dead_letter_feed",)]
        shown = connection.execute("select * from ops.dead_letter_feed").description
        assert not {column.name for column in shown} & {
            "message_value",
            "fixed_value",
            "message_key",
            "headers",
            "error",
        }


def test_a_statement_ends_with_the_client_that_is_gone(warehouse):
    with connect(warehouse.settings, Role.TRANSFORM) as connection:
        assert connection.execute("show client_connection_check_interval").fetchone() == ("10s",)


def test_a_wrong_password_is_told_without_a_stack_of_libpq_noise(warehouse):
    from pydantic import SecretStr

    from shop_platform.errors import ShopError

    wrong = warehouse.settings.model_copy(update={"pg_ingest_password": SecretStr("wrong")})
    with pytest.raises(ShopError, match=r"did not let 'shop_ingest' in: .*password authentication failed"):
        connect(wrong, Role.INGEST)
