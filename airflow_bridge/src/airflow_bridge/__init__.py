"""Airflow 3 asks Dagster to run a job over GraphQL and waits without holding a worker."""
