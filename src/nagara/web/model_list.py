"""The documents of the catalogue's endpoints, encoded once a snapshot and then only handed out.

One body serves OpenAI's and Anthropic's clients: the envelopes differ in fields that the other
does not read.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from nagara.domain.catalog import Catalogue, Route
from nagara.web.documents import Document, make_document
from nagara.web.model_items import make_item

_encoder = msgspec.json.Encoder()


class ModelList(msgspec.Struct, frozen=True):
    """All models of a snapshot: the whole list, and each entry's JSON by id, in the order shown."""

    document: Document
    entries: Mapping[str, bytes]
    names: Mapping[str, frozenset[str]]
    """For each id, that id and its aliases: what a key's list may name it by."""


class StartupItem(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `GET /v1/startups`. `models_count` counts the models listed here."""

    id: str
    object: str = "startup"
    display_name: str
    homepage: str | None
    models_count: int


def encode_models(
    routes: Mapping[str, Route], now_s: float, account_markup_ppm: int | None = None
) -> ModelList:
    """Every routed model once, under its own id, in the order of the ids."""
    own = sorted(
        (route for name, route in routes.items() if name == route.model.id),
        key=lambda route: route.model.id,
    )
    entries = {route.model.id: encode_model(route, now_s, account_markup_ppm) for route in own}
    names = {r.model.id: frozenset((r.model.id, *r.model.aliases)) for r in own}
    return ModelList(encode_page(entries, has_more=False), entries, names)


def encode_model(route: Route, now_s: float, account_markup_ppm: int | None = None) -> bytes:
    """One model's entry."""
    return _encoder.encode(make_item(route, now_s, account_markup_ppm))


def encode_page(entries: Mapping[str, bytes], *, has_more: bool) -> Document:
    """The list of these entries, with the members that OpenAI's and Anthropic's clients expect."""
    ids = list(entries)
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    tail = _encoder.encode({"has_more": has_more, "first_id": first, "last_id": last})
    data = b",".join(entries.values())
    return make_document(b'{"object":"list","data":[' + data + b"]," + tail[1:])


def restrict(models: ModelList, allowed: frozenset[str]) -> dict[str, bytes]:
    """The entries that a key with a list may use; the list may name aliases."""
    return {
        model_id: entry
        for model_id, entry in models.entries.items()
        if not allowed.isdisjoint(models.names[model_id])
    }


def encode_startups(catalogue: Catalogue, routes: Mapping[str, Route]) -> Document:
    """The makers of the routed models, and how many of them each made."""
    counts: dict[str, int] = {}
    for name, route in routes.items():
        if name == route.model.id:
            counts[route.model.startup] = counts.get(route.model.startup, 0) + 1
    known = {startup.id: startup for startup in catalogue.startups}
    return _encode_list(
        StartupItem(
            id=startup_id,
            display_name=known[startup_id].display_name if startup_id in known else startup_id,
            homepage=known[startup_id].homepage if startup_id in known else None,
            models_count=count,
        )
        for startup_id, count in sorted(counts.items())
    )


def _encode_list(items: Iterable[StartupItem]) -> Document:
    data: Sequence[StartupItem] = list(items)
    return make_document(_encoder.encode({"object": "list", "data": data}))
