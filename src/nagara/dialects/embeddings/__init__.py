"""Embeddings: OpenAI's request and answer to callers, and what else providers call the same thing.

`request.py` reads what is asked for, `vectors.py` writes numbers either way, `exchange.py` is one
request at one deployment, and each other file is one provider's wire format. Text goes through as
the bytes it came in.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

from nagara.dialects.embeddings.exchange import open_exchange
from nagara.dialects.embeddings.request import read_request, write_request
from nagara.dialects.embeddings.traits import Form, Trait

__all__ = ["Form", "Trait", "open_exchange", "read_request", "write_request"]
