"""What Dagster knows, by subject."""
