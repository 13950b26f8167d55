"""The models as Google's SDK lists them: those that hold a conversation, all on one page.

Source: https://ai.google.dev/api/models
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from nagara.domain.catalog import Route
from nagara.operations.conversation import DIALECTS
from nagara.operations.google import METHODS
from nagara.web.documents import Document, make_document
from nagara.web.model_items import find_endpoints

PREFIX = "models/"
_encoder = msgspec.json.Encoder()


def encode_google_models(routes: Iterable[Route]) -> Document:
    """The list of these models."""
    models = [describe(route) for route in routes if is_listed(route)]
    return make_document(_encoder.encode({"models": models}))


def encode_google_model(route: Route) -> Document:
    """One model."""
    return make_document(_encoder.encode(describe(route)))


def is_listed(route: Route) -> bool:
    """Whether it is for conversations, which are had in this dialect too."""
    return any(operation in DIALECTS for operation in find_endpoints(route))


def describe(route: Route) -> dict[str, Any]:
    """One entry; a limit that nobody knows is left out."""
    model = route.model
    said = {
        "name": PREFIX + model.id,
        "displayName": model.display_name,
        "description": model.description,
        "inputTokenLimit": model.context_window,
        "outputTokenLimit": model.output_tokens_max,
        "supportedGenerationMethods": list(METHODS) if is_listed(route) else [],
    }
    return {name: value for name, value in said.items() if value is not None}
