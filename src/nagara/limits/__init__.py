"""Rate limits behind one protocol."""
