"""Tests of Grafana as code."""
