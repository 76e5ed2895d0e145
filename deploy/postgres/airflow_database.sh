#!/bin/sh
# Makes Airflow's role and its database on the shop's server, or brings the password up to date. Safe to repeat.
set -eu

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$SHOP_AIRFLOW_DB_PASSWORD" postgres <<'SQL'
set log_statement = 'none';
set log_min_error_statement = 'panic';
select 'create role airflow login connection limit 60'
where not exists (select from pg_roles where rolname = 'airflow') \gexec
alter role airflow with password :'password';
select 'create database airflow owner airflow'
where not exists (select from pg_database where datname = 'airflow') \gexec
revoke connect, temporary on database airflow from public;
SQL
