"""Shop Platform: a shop's events become trusted numbers."""
