"""The embedded stack: PostgreSQL, broker, processes and ports on one machine."""
