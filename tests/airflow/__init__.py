"""The Airflow bridge for real: Airflow 3.3 in its own environment against a real Dagster."""
