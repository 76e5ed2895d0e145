"""Tell Docker whether this container's Airflow job works: ``python healthcheck.py TriggererJob|DagProcessorJob``.

Asks the database for the heartbeat itself. `airflow jobs check` would load the whole of Airflow for it each minute, and
would not know the database: the address is made by the entry point, which a health check does not pass.
"""

from __future__ import annotations

import os
import socket
import sys

import psycopg2

_ALIVE_WITHIN_SECONDS = 60


def alive(job_type: str) -> bool:
    """Tell whether a job of ``job_type`` has written its heartbeat from this host lately."""
    connection = psycopg2.connect(
        host=os.environ["SHOP_PG_HOST"],
        port=os.environ["SHOP_PG_PORT"],
        dbname="airflow",
        user="airflow",
        password=os.environ["SHOP_AIRFLOW_DB_PASSWORD"],
        connect_timeout=5,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "select 1 from job where job_type = %s and state = 'running' and hostname in (%s, %s)"
                " and latest_heartbeat > now() - make_interval(secs => %s)",
                [job_type, socket.gethostname(), socket.getfqdn(), _ALIVE_WITHIN_SECONDS],
            )
            return cursor.fetchone() is not None
    finally:
        connection.close()


def main() -> int:
    """Return 0 when the job works, 1 when it does not."""
    try:
        healthy = alive(sys.argv[1])
    except psycopg2.Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not healthy:
        sys.stderr.write(f"{sys.argv[1]}: no sign of life\n")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
