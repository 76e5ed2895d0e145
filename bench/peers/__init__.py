"""Other ways from Kafka to PostgreSQL, each in an environment of its own, measured beside the ingestion."""
