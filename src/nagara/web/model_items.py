"""A model as the public list shows it, to OpenAI's clients and to Anthropic's in one object.

OpenAI's read `object`, `created` and `owned_by`; Anthropic's read `type`, `created_at`, `lifecycle`
and the token limits; the rest is NagaAI's. What is not known is null. Prices are dollars for one
unit, as JSON numbers with all their digits and no exponent; with the markup, since that is what
the caller pays.
"""

import datetime
import functools
from collections.abc import Iterator, Mapping

import msgspec

from nagara.domain.catalog import Operation, Route
from nagara.domain.money import format_rate
from nagara.domain.rates import find_rate_card
from nagara.domain.usage import Meter
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import can_serve

_MS_PER_SECOND = 1000

# Public price key -> our meter, and how many of its units the key is for.
_PRICE_KEYS: tuple[tuple[str, Meter, int], ...] = (
    ("per_input_token", Meter.INPUT, 1),
    ("per_cached_input_token", Meter.CACHE_READ, 1),
    ("per_cache_write_token", Meter.CACHE_WRITE_5M, 1),
    ("per_cache_write_1h_token", Meter.CACHE_WRITE_1H, 1),
    ("per_output_token", Meter.OUTPUT, 1),
    ("per_reasoning_token", Meter.REASONING, 1),
    ("per_input_audio_token", Meter.INPUT_AUDIO, 1),
    ("per_audio_token", Meter.OUTPUT_AUDIO, 1),
    ("per_input_image_token", Meter.INPUT_IMAGE, 1),
    ("per_output_image_token", Meter.OUTPUT_IMAGE, 1),
    ("per_image", Meter.IMAGES, 1),
    ("per_megapixel", Meter.PIXELS, 1_000_000),
    ("per_character", Meter.CHARACTERS, 1),
    ("per_second", Meter.AUDIO_MS, _MS_PER_SECOND),
    ("per_search", Meter.SEARCHES, 1),
    ("per_file_search", Meter.FILE_SEARCHES, 1),
    ("per_container", Meter.CONTAINERS, 1),
    ("per_request", Meter.REQUESTS, 1),
)

# What a parameter of chat is called at the other endpoints; one that is not here keeps its name,
# and one that is None does not exist there.
_RENAMED: Mapping[Operation, Mapping[str, str | None]] = {
    Operation.RESPONSES: {
        "max_completion_tokens": "max_output_tokens",
        "reasoning_effort": "reasoning",
        "response_format": "text",
        "stop": None,
        "logit_bias": None,
        "frequency_penalty": None,
        "presence_penalty": None,
    },
    Operation.MESSAGES: {
        "max_completion_tokens": "max_tokens",
        "reasoning_effort": "thinking",
        "response_format": "output_config",
        "stop": "stop_sequences",
        "parallel_tool_calls": None,
        "logit_bias": None,
        "frequency_penalty": None,
        "presence_penalty": None,
    },
    Operation.COUNT_TOKENS: {
        "reasoning_effort": "thinking",
        **dict.fromkeys(
            (
                "max_completion_tokens", "response_format", "stop", "parallel_tool_calls", "stream",
                "logit_bias", "frequency_penalty", "presence_penalty", "temperature", "top_p",
            ),
        ),
    },
}  # fmt: skip


class Architecture(msgspec.Struct, frozen=True):
    """What goes in and what comes out."""

    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]


class ModelItem(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `GET /v1/models`, its fields in the order in which they are written."""

    id: str
    object: str = "model"
    type: str = "model"
    created: int
    created_at: str
    owned_by: str
    display_name: str
    description: str | None
    context_window: int | None
    max_input_tokens: int | None
    max_tokens: int | None
    max_output_images: int | None
    supported_endpoints: tuple[str, ...]
    pricing: dict[str, msgspec.Raw]
    architecture: Architecture
    aliases: tuple[str, ...]
    deprecates_at: int | None
    lifecycle: str
    supported_parameters: tuple[str, ...]
    supported_parameters_by_endpoint: dict[str, tuple[str, ...]]


def make_item(route: Route, now_s: float, account_markup_ppm: int | None = None) -> ModelItem:
    """The entry of a route's model. Endpoints are those that its deployments really serve.

    An account's markup stands in place of the model's own.
    """
    model = route.model
    endpoints = tuple(find_endpoints(route))
    is_deprecated = model.deprecates_at_s is not None and model.deprecates_at_s <= now_s
    return ModelItem(
        id=model.id,
        created=model.created_s,
        created_at=format_time(model.created_s),
        owned_by=model.startup,
        display_name=model.display_name,
        description=model.description,
        context_window=model.context_window,
        max_input_tokens=model.context_window,
        max_tokens=model.output_tokens_max,
        max_output_images=model.output_images_max,
        supported_endpoints=endpoints,
        pricing={
            key: msgspec.Raw(text.encode())
            for key, text in list_prices(route, now_s, account_markup_ppm)
        },
        architecture=Architecture(model.input_modalities, model.output_modalities),
        aliases=model.aliases,
        deprecates_at=model.deprecates_at_s,
        lifecycle="deprecated" if is_deprecated else "active",
        supported_parameters=model.parameters,
        supported_parameters_by_endpoint={
            endpoint: name_parameters(endpoint, model.parameters) for endpoint in endpoints
        },
    )


def find_endpoints(route: Route) -> Iterator[Operation]:
    """What the model is for and some deployment can be asked for, in the model's order.

    A model that the catalogue does not know may be for anything that its deployments can do.
    """
    served = {
        endpoint.operation
        for endpoint in ENDPOINTS.values()
        if any(can_serve(deployment, endpoint) for deployment in route.deployments)
    }
    if not route.model.operations and not route.model.offers:
        return (operation for operation in Operation if operation in served)
    return (operation for operation in route.model.operations if operation in served)


def list_prices(
    route: Route, now_s: float, account_markup_ppm: int | None = None
) -> Iterator[tuple[str, str]]:
    """Public price keys with exact decimal text; only those that are known."""
    card = find_rate_card(route.prices, now_s)
    if card is None:
        return
    rates = card.rates_pico
    markup_ppm = card.markup_ppm if account_markup_ppm is None else account_markup_ppm
    for key, meter, units in _PRICE_KEYS:
        if meter in rates:
            yield key, format_rate(rates[meter] * units, markup_ppm)
    for image in card.image_classes:
        name = image.name.replace(" ", "_").lower()
        yield f"per_image_{name}", format_rate(image.rate_pico, markup_ppm)
    if Meter.INPUT in rates and "embedding" in route.model.output_modalities:
        yield "per_token", format_rate(rates[Meter.INPUT], markup_ppm)
    if Meter.INPUT in rates and Meter.INPUT_IMAGE in rates:
        yield "per_input_text_token", format_rate(rates[Meter.INPUT], markup_ppm)


@functools.lru_cache(maxsize=1024)  # a few lists of parameters stand for a thousand models
def name_parameters(operation: Operation, parameters: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters as the endpoint calls them, without those that it does not have."""
    renamed = _RENAMED.get(operation, {})
    names = (renamed.get(parameter, parameter) for parameter in parameters)
    return tuple(name for name in names if name is not None)


def format_time(time_s: int) -> str:
    """RFC 3339 in UTC; an unknown time is the epoch, as in Anthropic's own list."""
    return datetime.datetime.fromtimestamp(time_s, datetime.UTC).isoformat()[:19] + "Z"
