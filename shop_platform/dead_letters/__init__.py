"""The dead-letter desk: see what could not land and why, mend it, replay it, or give it up, all on record."""
