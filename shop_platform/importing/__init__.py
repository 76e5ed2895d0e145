"""A real shop's history from files: rows become events of the contract and travel the same road as all others."""
