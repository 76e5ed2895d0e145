"""Operate the platform: verify its two invariants, look at its state."""
