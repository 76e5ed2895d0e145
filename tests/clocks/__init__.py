"""The suite at other times: what depends on dates runs around moments at which a date or the clock itself changes."""
