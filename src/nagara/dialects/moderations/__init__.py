"""Moderations: OpenAI's request and answer to callers, and Mistral's at its provider.

Source: https://platform.openai.com/docs/api-reference/moderations
"""

from nagara.dialects.moderations.exchange import open_exchange
from nagara.dialects.moderations.request import read_request, write_request
from nagara.dialects.moderations.traits import Form

__all__ = ["Form", "open_exchange", "read_request", "write_request"]
