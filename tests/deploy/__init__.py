"""Tests of what turns the repository into containers."""
