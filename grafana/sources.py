"""Where Grafana finds the warehouse and the boards.

Values are given as ``${NAME}``, which Grafana expands once; its other form, ``$__env{NAME}``, expands the result a
second time and would break a password that holds a dollar sign.
"""

from __future__ import annotations

from grafana.model import DATASOURCE, Json

BOARDS_FOLDER = "Shop"
BOARDS_PATH = "/etc/grafana/dashboards"


def datasources_document() -> Json:
    """Return the provisioning file of the warehouse, read as the role ``shop_grafana``."""
    return {
        "apiVersion": 1,
        "prune": True,
        "datasources": [
            {
                "name": "Warehouse",
                "uid": DATASOURCE["uid"],
                "type": DATASOURCE["type"],
                "access": "proxy",
                "url": "${SHOP_PG_HOST}:${SHOP_PG_PORT}",
                "user": "shop_grafana",
                "isDefault": True,
                "editable": False,
                "jsonData": {
                    "database": "${SHOP_PG_DATABASE}",
                    "sslmode": "${SHOP_GRAFANA_PG_SSLMODE}",
                    "postgresVersion": 1500,
                    "timescaledb": False,
                    # Below the role's own limit of twenty connections.
                    "maxOpenConns": 10,
                    "maxIdleConns": 2,
                    "connMaxLifetime": 3600,
                    "timeInterval": "1m",
                },
                "secureJsonData": {"password": "${SHOP_PG_GRAFANA_PASSWORD}"},
            }
        ],
    }


def boards_document() -> Json:
    """Return the provisioning file that loads the committed boards."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "shop",
                "orgId": 1,
                "folder": BOARDS_FOLDER,
                "type": "file",
                "disableDeletion": False,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": BOARDS_PATH, "foldersFromFilesStructure": False},
            }
        ],
    }
