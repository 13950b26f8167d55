"""Gemini's own words about signatures. Those of other makers travel in envelopes, as everywhere."""

STAND_IN = "skip_thought_signature_validator"
"""Google's own word for a call that another model made, or that lost its signature.

https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
"""
