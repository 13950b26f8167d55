"""`GET /v1/models`, `/v1/models/{id}` and `/v1/startups`: answers from the snapshot, no I/O.

`/v1beta/models` and `/v1beta/models/{id}` are the same models in Google's words, and so is /v1 for
who sends a key in Google's header.

What everyone may see is encoded once a snapshot, and again when a price changes by its date, and
answered as kept bytes, or as 304 to a client that has them. A key with a list of models sees those,
one of an account with a markup the prices with that; a test key sees what the sandbox serves.
Errors are raised as `GatewayError` for the edge to render.
"""

import math
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, unquote

import msgspec

from nagara.domain.catalog import Key, KeyKind, Route, Snapshot
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.rates import find_next_change
from nagara.finding import model_not_found
from nagara.routing.lookup import resolve_route
from nagara.web.documents import Document, DocumentAnswer, answer_document, make_document
from nagara.web.google_models import encode_google_model, encode_google_models
from nagara.web.model_list import (
    ModelList,
    encode_model,
    encode_models,
    encode_page,
    encode_startups,
    restrict,
)

PAGE_LIMIT_MAX = 1000
VIEWS_KEPT_MAX = 16
"""Of 1 MB each: one for each markup that accounts have."""

_ViewKey = tuple[bool, int | None]
"""Whether it is the sandbox's table, and the account's markup."""


class _View(msgspec.Struct, frozen=True):
    """What was encoded from one table of routes of one snapshot, and how long its prices hold."""

    routes: Mapping[str, Route]
    models: ModelList
    startups: Document
    until_s: float


class CatalogueEndpoints:
    """The endpoints over whatever snapshot is current.

    `key` is the caller's, already authenticated, or None where the call is anonymous.
    `if_none_match` is that header's value.
    """

    def __init__(
        self, current_snapshot: Callable[[], Snapshot], now_s: Callable[[], float] = time.time
    ) -> None:
        self._current_snapshot = current_snapshot
        self._now_s = now_s
        # Only the current snapshot's views are kept.
        self._views: dict[_ViewKey, _View] = {}
        # Made when first asked for, which most gateways never are.
        self._google: tuple[Mapping[str, Route], Document] | None = None

    def prepare(self) -> None:
        """Encode what everyone may see of the current snapshot: some 20 ms for 1,300 models."""
        self._view(self._current_snapshot(), None)

    def list_models(
        self, key: Key | None, query: bytes = b"", if_none_match: bytes | None = None
    ) -> DocumentAnswer:
        """The models that the caller may use; `limit`, `after_id`, `before_id` page as Anthropic's.

        Raises INVALID_REQUEST for a `limit` that is none.
        """
        models = self._view(self._current_snapshot(), key).models
        is_whole = key is None or key.allowed_models is None
        if is_whole and not query:
            return answer_document(models.document, if_none_match)
        entries = models.entries
        if key is not None and key.allowed_models is not None:
            entries = restrict(models, key.allowed_models)
        return answer_document(_cut_page(entries, query), if_none_match)

    def get_model(
        self, key: Key | None, model_id: str, if_none_match: bytes | None = None
    ) -> DocumentAnswer:
        """One model by any of its names, which may be percent-encoded.

        Raises MODEL_NOT_FOUND, with the nearest ids; also for one that the key may not use, which
        is in its list no more than one that does not exist.
        """
        snapshot = self._current_snapshot()
        route = _find_route(snapshot, key, unquote(model_id))
        known = self._view(snapshot, key).models.entries.get(route.model.id)
        if known is None:
            known = encode_model(route, self._now_s(), _find_markup(snapshot, key))
        return answer_document(make_document(known), if_none_match)

    def list_google_models(
        self, key: Key | None, if_none_match: bytes | None = None
    ) -> DocumentAnswer:
        """The same models, as Google's SDK lists them."""
        view = self._view(self._current_snapshot(), key)
        if key is not None and key.allowed_models is not None:
            return answer_document(_list_for_google(view, key), if_none_match)
        if self._google is None or self._google[0] is not view.routes:
            self._google = view.routes, _list_for_google(view, None)
        return answer_document(self._google[1], if_none_match)

    def get_google_model(
        self, key: Key | None, model_id: str, if_none_match: bytes | None = None
    ) -> DocumentAnswer:
        """One model as Google's SDK reads it. Raises MODEL_NOT_FOUND."""
        route = _find_route(self._current_snapshot(), key, unquote(model_id))
        return answer_document(encode_google_model(route), if_none_match)

    def list_startups(self, if_none_match: bytes | None = None) -> DocumentAnswer:
        """The makers of the models that are served here."""
        return answer_document(self._view(self._current_snapshot(), None).startups, if_none_match)

    def _view(self, snapshot: Snapshot, key: Key | None) -> _View:
        is_test = key is not None and key.kind is KeyKind.TEST
        routes = snapshot.sandbox if is_test or not snapshot.providers else snapshot.routes
        view_key = (is_test, _find_markup(snapshot, key))
        view = self._views.get(view_key)
        now_s = self._now_s()
        if view is None or view.routes is not routes or now_s >= view.until_s:
            current = (snapshot.routes, snapshot.sandbox)
            kept = {k: v for k, v in self._views.items() if any(v.routes is c for c in current)}
            self._views = kept if len(kept) < VIEWS_KEPT_MAX else {}
            view = self._views[view_key] = _make_view(snapshot, routes, now_s, view_key[1])
        return view


def _list_for_google(view: _View, key: Key | None) -> Document:
    routes = (view.routes[model_id] for model_id in view.models.entries)
    return encode_google_models(route for route in routes if _may_see(key, route))


def _make_view(
    snapshot: Snapshot, routes: Mapping[str, Route], now_s: float, markup_ppm: int | None
) -> _View:
    return _View(
        routes,
        encode_models(routes, now_s, markup_ppm),
        encode_startups(snapshot.catalogue, routes),
        min((_find_end(route, now_s) for route in routes.values()), default=math.inf),
    )


def _find_end(route: Route, now_s: float) -> float:
    """Until when what is shown of a model stays true, if nobody changes it."""
    deprecates_at_s = route.model.deprecates_at_s
    change_s = find_next_change(route.prices, now_s)
    if deprecates_at_s is None or deprecates_at_s <= now_s:
        return change_s
    return min(change_s, deprecates_at_s)


def _find_markup(snapshot: Snapshot, key: Key | None) -> int | None:
    """What the caller's account pays in place of the models' own markups. A test key pays none."""
    if key is None or key.kind is KeyKind.TEST:
        return None
    account = snapshot.accounts.get(key.account_id)
    return None if account is None else account.markup_ppm


def _cut_page(entries: Mapping[str, bytes], query: bytes) -> Document:
    """https://docs.claude.com/en/api/models-list; without `limit` everything is one page."""
    asked = parse_qs(query.decode("latin-1"))
    items = list(entries.items())
    ids = list(entries)
    after, before = asked.get("after_id", [""])[0], asked.get("before_id", [""])[0]
    start = ids.index(after) + 1 if after in entries else 0
    end = ids.index(before) if before in entries else len(items)
    limit = _read_limit(asked["limit"][0]) if "limit" in asked else len(items)
    if before in entries:
        page, has_more = items[max(start, end - limit) : end], end - limit > start
    else:
        page, has_more = items[start : start + limit], start + limit < end
    return encode_page(dict(page), has_more=has_more)


def _read_limit(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= PAGE_LIMIT_MAX:
        return int(text)
    raise GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"limit must be a whole number from 1 to {PAGE_LIMIT_MAX}, and is {text[:40]!r}.",
        param="limit",
    )


def _find_route(snapshot: Snapshot, key: Key | None, name: str) -> Route:
    route = resolve_route(snapshot, name, key.kind if key else KeyKind.STANDARD)
    if route is None or not _may_see(key, route):
        is_restricted = key is not None and key.allowed_models is not None
        raise _not_listed(name) if is_restricted else model_not_found(snapshot, name)
    return route


def _may_see(key: Key | None, route: Route) -> bool:
    if key is None or key.allowed_models is None:
        return True
    return not key.allowed_models.isdisjoint((route.model.id, *route.model.aliases))


def _not_listed(name: str) -> GatewayError:
    """For a key with a list of models: no hints at what it may not use."""
    return GatewayError(
        ErrorKind.MODEL_NOT_FOUND,
        f"There is no model {name[:100]!r} that this key may use. GET /v1/models lists those.",
        param="model",
    )
