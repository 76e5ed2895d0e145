"""What dagster-dbt 0.29 puts into the event log when dbt 1.11 fails on PostgreSQL, as it was recorded."""

HEAD = (
    "dagster_dbt.errors.DagsterDbtCliRuntimeError: The dbt CLI process with command\n"
    "\n"
    "`dbt build --select fqn:*`\n"
    "\n"
    "failed with exit code `1`. Check the stdout in the Dagster compute logs for the full information about the error, "
    "or view the dbt debug log: target/models-4fe8a16-d43c938/dbt.log.\n"
    "\n"
    "Errors parsed from dbt logs:\n"
    "\n"
)

MODEL = HEAD + (
    "2 of 3 ERROR creating sql table model tiny.fct_orders .......................... [\x1b[31mERROR\x1b[0m in 0.08s]\n"
    "\n"
    "\x1b[31mFailure in model fct_orders (models/fct_orders.sql)\x1b[0m\n"
    "\n"
    "  Database Error in model fct_orders (models/fct_orders.sql)\n"
    '  column "customer_idd" does not exist\n'
    '  LINE 12:      select order_id, customer_idd from "postgres"."tiny"."s...\n'
    "                                 ^\n"
    "  compiled code at target/models-4fe8a16-d43c938/run/tiny/models/fct_orders.sql\n"
)

TEST = HEAD + (
    "2 of 4 FAIL 1 accepted_values_stg_orders_order_id__2 ........................... "
    "[\x1b[31mFAIL 1\x1b[0m in 0.10s]\n"
    "\n"
    "\x1b[31mFailure in test accepted_values_stg_orders_order_id__2 (models/s.yml)\x1b[0m\n"
    "\n"
    "  Got 1 result, configured to fail if != 0\n"
)

DATABASE_AWAY = HEAD + (
    "Encountered an error:\n"
    "Database Error\n"
    '  connection to server at "127.0.0.1", port 41075 failed: FATAL:  '
    'password authentication failed for user "postgres"\n'
    "  \n"
)
