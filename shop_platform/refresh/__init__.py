"""The resident refresher: a warm dbt that keeps the hot marts a few seconds behind the events."""
