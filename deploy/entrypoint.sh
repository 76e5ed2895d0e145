#!/bin/sh
# Prepares what only the running container can know, then becomes the command.
set -eu

# The manifest that the image's build made, so that Dagster need not parse the project at start.
if [ ! -e "$DBT_TARGET_PATH/dagster" ] && [ -d /opt/shop/dbt_target/dagster ]; then
    mkdir -p "$DBT_TARGET_PATH"
    cp -R /opt/shop/dbt_target/dagster "$DBT_TARGET_PATH/dagster"
fi

# Dagster takes its storage as one URL. Made here, because a password may hold characters that a URL must quote.
case "${1:-}" in
dagster | dagster-webserver | dagster-daemon)
    DAGSTER_PG_URL=$(python -c 'from shop_platform.settings import load; print(load().dagster_storage_url())')
    export DAGSTER_PG_URL
    ;;
esac

exec "$@"
