"""Kafka to PostgreSQL, exactly once: the offset commits in the transaction that writes the rows."""
