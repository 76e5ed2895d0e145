"""Builds of the dbt project without dbt: the statements that dbt executed once, executed again on a warm connection."""
