"""Landed events in the hands of a person: look at them, take them back, land them again."""
