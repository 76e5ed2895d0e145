"""The marts that Grafana reads, made by hand: for a warehouse in which dbt has not run."""

from __future__ import annotations

import psycopg
from psycopg import sql

DDL = """
create table marts.data_freshness (
    subject text primary key, events_count bigint, dead_letters_count bigint,
    max_event_time timestamptz, max_ingested_at timestamptz
);
create table marts.kpi_daily (
    kpi_daily_id text primary key, date_day date, currency text, orders_count bigint, cancelled_orders_count bigint,
    gross_amount numeric(18, 2), discount_amount numeric(18, 2), refund_amount numeric(18, 2),
    net_amount numeric(18, 2), new_customer_orders bigint, repeat_customer_orders bigint, new_customers bigint,
    sessions_count bigint, converting_sessions_count bigint
);
create table marts.kpi_daily_by_channel (
    kpi_daily_by_channel_id text primary key, date_day date, currency text, channel text, orders_count bigint,
    gross_amount numeric(18, 2), discount_amount numeric(18, 2), refund_amount numeric(18, 2),
    net_amount numeric(18, 2), sessions_count bigint, converting_sessions_count bigint, new_customers bigint
);
create table marts.kpi_daily_by_category (
    kpi_daily_by_category_id text primary key, date_day date, currency text, category text, units bigint,
    gross_amount numeric(18, 2), discount_amount numeric(18, 2), refund_amount numeric(18, 2),
    net_amount numeric(18, 2)
);
create table marts.kpi_day_status (date_day date primary key, status text);
create table marts.kpi_restatements (
    kpi_restatement_id text primary key, date_day date, currency text, measure text, old_value numeric(30, 6),
    new_value numeric(30, 6), value_change numeric(30, 6), restated_at timestamptz, was_final boolean, reason text
);
create table marts.dim_products (product_id text primary key, name text, category text);
create table marts.fct_order_lines (
    order_line_id text primary key, product_id text, ordered_at timestamptz, currency text, quantity integer,
    net_amount numeric(18, 2), is_cancelled boolean
);
create table marts.fct_sessions (
    session_id text primary key, started_at timestamptz, has_product_view boolean, has_cart boolean,
    has_checkout boolean, has_order boolean
);
"""

# Thirty days of sales up to today in three channels and categories; amounts differ per day so that a mix-up shows.
_SALES = """
insert into marts.kpi_daily
select 'd' || n, current_date - n, 'EUR', 10 + n, 1, 1000 + n, 100, 50, 850 + n, 4, 6 + n, 4, 200, 10 + n
from generate_series(0, 29) as n;
insert into marts.kpi_daily_by_channel
select channel || n, current_date - n, 'EUR', channel, 3, 300, 30, 15, 255, 66, 3, 1
from generate_series(0, 29) as n, unnest(array['direct', 'email', 'social']) as channel;
insert into marts.kpi_daily_by_category
select category || n, current_date - n, 'EUR', category, 5, 300, 30, 15, 255
from generate_series(0, 29) as n, unnest(array['books', 'garden', 'toys']) as category;
insert into marts.kpi_day_status
select current_date - n, case when n > 7 then 'final' else 'provisional' end from generate_series(0, 29) as n;
insert into marts.kpi_restatements
select 'r' || n, current_date - n, 'EUR', 'net_amount', 100, 100 + n, n, now() - n * interval '1 hour', n > 7,
    'order.placed: ' || n
from generate_series(1, 10) as n;
insert into marts.dim_products values ('p1', 'Spade', 'garden'), ('p2', 'Novel', 'books');
insert into marts.fct_order_lines
select 'l' || n, 'p' || (1 + n % 2), now() - n * interval '1 hour', 'EUR', 2, 20, false
from generate_series(0, 99) as n;
insert into marts.fct_sessions
select 's' || n, now() - n * interval '1 hour', n % 2 = 0, n % 4 = 0, n % 8 = 0, n % 16 = 0
from generate_series(0, 99) as n;
"""


def sell_up_to_today(admin: psycopg.Connection[tuple[object, ...]], shop_tz: str) -> None:
    """Let the marts hold the sales of the thirty days up to the shop's today, if they do not already.

    The shop's and not the server's: for an hour or two around midnight they are not the same.
    """
    with admin.transaction():
        admin.execute(sql.SQL("set local timezone = {}").format(sql.Literal(shop_tz)))
        if admin.execute("select from marts.kpi_daily where date_day = current_date").fetchone() is None:
            tables = [line.split()[2] for line in DDL.splitlines() if line.startswith("create table")]
            sold = ", ".join(table for table in tables if table != "marts.data_freshness")
            admin.execute(f"truncate {sold}; {_SALES}".encode())
