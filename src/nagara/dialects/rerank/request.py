"""A request for a ranking: a query, documents, and how many of them are wanted.

A document is a text or an object; each is kept as the bytes it came in. A search is what Cohere
bills: a query with up to a hundred documents, of which each 500 tokens count as one.
Source: https://docs.cohere.com/docs/how-does-cohere-pricing-work
"""

from collections.abc import Sequence

import msgspec

from nagara.dialects.base import RequestView
from nagara.dialects.json_fields import encode_raw, read_fields, write_fields
from nagara.dialects.measuring import count_bytes
from nagara.dialects.request_fields import read_flag, read_model, require_kind, wrong_field
from nagara.domain.demand import Demand

DOCUMENTS_PER_SEARCH = 100
TOKENS_PER_DOCUMENT = 500
ROOM_TOKENS_MIN = 100
"""What a long query leaves of a document's 500 tokens at the least, for a bound."""

BYTES_PER_TOKEN = 4

NAMED = frozenset({"model", "query", "documents", "top_n", "return_documents"})
"""The fields that every provider's format has a word for, or that are answered here."""

_items = msgspec.json.Decoder(list[msgspec.Raw])
_count = msgspec.json.Decoder(int | None)


class RerankRequest(msgspec.Struct, frozen=True):
    """What is asked for."""

    query: msgspec.Raw
    documents: tuple[msgspec.Raw, ...]
    top_n: int | None
    returns_documents: bool


def read_request(body: bytes) -> RequestView:
    """The view of a request for a ranking. Raises `GatewayError` that names the wrong field."""
    fields = read_fields(body)
    model = read_model(fields)
    require_kind(fields, "query", "string", "object")
    require_kind(fields, "documents", "array")
    view = RequestView(fields=fields, model=model)
    decode_request(view)
    return view


def write_request(view: RequestView, model: str, *, asks_usage: bool = False) -> bytes:  # noqa: ARG001 - usage always comes
    """The caller's body with the deployment's model, without what is answered here."""
    fields = {name: raw for name, raw in view.fields.items() if name != "return_documents"}
    return write_fields(fields | {"model": encode_raw(model)})


def decode_request(view: RequestView) -> RerankRequest:
    """All of a request. Raises `GatewayError` that names the wrong field."""
    fields = view.fields
    try:
        documents = tuple(_items.decode(fields["documents"]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise wrong_field("documents", "must be an array of strings or objects.") from error
    if any(memoryview(document)[0] not in b'"{' for document in documents):
        raise wrong_field("documents", "must be an array of strings or objects.")
    top_n = None
    if "top_n" in fields:
        try:
            top_n = _count.decode(fields["top_n"])
        except msgspec.DecodeError as error:
            raise wrong_field("top_n", "must be a whole number.") from error
    if top_n is not None and top_n < 1:
        raise wrong_field("top_n", "must be 1 or more.")
    return RerankRequest(fields["query"], documents, top_n, read_flag(fields, "return_documents"))


def measure(view: RequestView) -> Demand:
    """The most that a ranking may be billed: as searches, or as tokens."""
    request = decode_request(view)
    sizes = [len(document) for document in request.documents]
    objects = bytes(view.fields["documents"]).count(b"{")
    return Demand(
        text_bytes=count_bytes(view.fields) + len(request.query) * len(sizes),
        # An object may be an image, or whatever else a provider ranks.
        image_count=objects,
        has_unseen_input=objects > 0,
        has_media_input=objects > 0,
        is_one_context=False,
        searches_max=count_searches(len(request.query), sizes),
        is_search_or_input=True,
        output_tokens_max=0,
    )


def count_searches(query_tokens: int, document_tokens: Sequence[int]) -> int:
    """How many searches a ranking is; with bytes in place of tokens, the most that it can be."""
    room = max(TOKENS_PER_DOCUMENT - query_tokens, ROOM_TOKENS_MIN)
    pieces = sum(max(1, -(-tokens // room)) for tokens in document_tokens)
    return max(1, -(-pieces // DOCUMENTS_PER_SEARCH))


def estimate_searches(request: RerankRequest) -> int:
    """How many searches it is, about, where the provider does not say."""
    sizes = [len(document) // BYTES_PER_TOKEN for document in request.documents]
    return count_searches(len(request.query) // BYTES_PER_TOKEN, sizes)


def estimate_input(request: RerankRequest) -> int:
    """How many tokens are read, about: the query once with each document."""
    size = len(request.query) * len(request.documents) + sum(map(len, request.documents))
    return -(-size // BYTES_PER_TOKEN)
