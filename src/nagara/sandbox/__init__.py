"""The built-in provider: answers every endpoint with no upstream, deterministically and at once."""
