"""Stateful Responses: what is kept of them, and those that run in the background."""
