"""Jobs, the daily schedule, verification, the record of runs, and the screens at the end of the lineage."""
