"""The PostgreSQL warehouse: connections, roles, migrations, locks."""
