"""Ranking documents by a query: Cohere's and Jina's request and answer, which are nearly the same.

`request.py` reads what is asked for and what it may cost, `exchange.py` is one request at one
deployment, in the words of `wires.py`. Documents never come back from a provider: who wants them
in the answer gets them from the request.

Sources: https://docs.cohere.com/reference/rerank and https://jina.ai/reranker/
"""

from nagara.dialects.rerank.exchange import open_exchange
from nagara.dialects.rerank.request import measure, read_request, write_request
from nagara.dialects.rerank.wires import Form

__all__ = ["Form", "measure", "open_exchange", "read_request", "write_request"]
