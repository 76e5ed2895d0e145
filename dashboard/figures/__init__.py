"""Pure functions from plain rows to plain figure dictionaries."""
