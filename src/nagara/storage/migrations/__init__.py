"""The schema, one ordered step a file."""
