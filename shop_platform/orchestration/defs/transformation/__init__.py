"""The dbt project as assets and checks, and the sensor that builds it."""
