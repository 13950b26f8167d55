"""One small type for each thing worth saying; what is done with it is decided here, not there."""
