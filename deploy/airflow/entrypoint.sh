#!/bin/sh
# Puts the secrets into the forms that Airflow wants, then becomes the command.
set -eu

mkdir -p "$AIRFLOW_HOME"

# Made here, because a password may hold characters that a URL must quote.
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=$(python -c '
import os
from urllib.parse import quote

print(
    "postgresql+psycopg2://airflow:{}@{}:{}/airflow".format(
        quote(os.environ["SHOP_AIRFLOW_DB_PASSWORD"], safe=""), os.environ["SHOP_PG_HOST"], os.environ["SHOP_PG_PORT"]
    )
)')
export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN

if [ -n "${SHOP_AIRFLOW_ADMIN_PASSWORD:-}" ]; then
    export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=admin:admin
    export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE="$AIRFLOW_HOME/passwords.json"
    (
        umask 077
        python -c 'import json, os; print(json.dumps({"admin": os.environ["SHOP_AIRFLOW_ADMIN_PASSWORD"]}))' \
            >"$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
    )
    unset SHOP_AIRFLOW_ADMIN_PASSWORD
fi

exec "$@"
