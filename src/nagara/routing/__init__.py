"""Where a request goes, and what follows an outcome. Pure decisions over a snapshot."""
