"""Builds by a plan: equal to dbt's, and refused where dbt would do something else."""
