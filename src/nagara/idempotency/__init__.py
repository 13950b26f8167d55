"""Calls with an `Idempotency-Key`: served once, and answered alike whenever they come again."""
