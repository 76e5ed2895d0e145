"""Everything that can break while events flow is broken on purpose; afterwards the two invariants must hold."""
