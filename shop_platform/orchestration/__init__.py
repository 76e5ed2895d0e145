"""Dagster as a thin shell over functions that can be tested without it."""
