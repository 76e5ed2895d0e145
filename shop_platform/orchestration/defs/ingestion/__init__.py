"""Topics, raw tables, their checks and the sensors that keep them going."""
