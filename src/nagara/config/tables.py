"""The tables of the file that are not settings: providers, credentials, models and aliases.

Each table is a struct whose fields carry their help, and one reader serves them all: it refuses
unknown keys by naming the nearest known one, checks every field, and goes on after a mistake, so
that all mistakes are told at once.
"""

import datetime
import difflib
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from nagara.config.document import Document

T = TypeVar("T", bound=msgspec.Struct)

SHOWN_VALUE_LENGTH_MAX = 60
Text = Annotated[str, Meta(min_length=1, max_length=2048)]
Count = Annotated[int, Meta(ge=1, le=10**9)]
Priority = Annotated[int, Meta(ge=0, le=1000)]
# Prices arrive as text or numbers; what they mean is checked where they become rates.
Price = str | int | float


# fmt: off
class ProviderTable(msgspec.Struct, kw_only=True, frozen=True):
    """[providers.NAME]: a built-in provider by its name, or any name with a kind."""

    kind: Annotated[Text | None, Meta(description="The built-in provider that it is like; the name itself if left out.")] = None
    base_url: Annotated[Text | None, Meta(description="Its address, with the version where the provider's own has one.")] = None
    credential: Annotated[Text | None, Meta(description="A name in [credentials]; from the provider's own environment variable if left out.")] = None
    models: Annotated[list[Text] | None, Meta(description="Only these models; all that the catalogue knows of if left out.")] = None
    operations: Annotated[list[Text] | None, Meta(description="Only these of its kind's operations, the preferred conversation first; all if left out.")] = None
    share_state: Annotated[bool, Meta(description="true lets every account name what the provider keeps under this credential: conversation and prompt of the Responses API, which are refused otherwise.")] = False
    priority: Annotated[Priority | None, Meta(description="Lower ones are tried first.")] = None
    weight: Annotated[Count, Meta(description="The share among those of the same priority.")] = 1
    enabled: Annotated[bool, Meta(description="false leaves the provider out, even if the environment has its credential.")] = True


class CredentialTable(msgspec.Struct, kw_only=True, frozen=True):
    """[credentials.NAME]: where a secret is found. Exactly one of the three."""

    env: Annotated[Text | None, Meta(description="An environment variable.")] = None
    file: Annotated[Text | None, Meta(description="A file; it is read again when it changes.")] = None
    value: Annotated[Text | None, Meta(description="The secret itself. It works, with a warning: files are copied and shown.")] = None


class RatesTable(msgspec.Struct, kw_only=True, frozen=True):
    """Prices in US dollars, best as text such as "0.10": `_mtok` for a million tokens."""

    input_mtok: Annotated[Price | None, Meta(description="Input.")] = None
    output_mtok: Annotated[Price | None, Meta(description="Output.")] = None
    reasoning_mtok: Annotated[Price | None, Meta(description="Reasoning; as output if left out.")] = None
    cache_read_mtok: Annotated[Price | None, Meta(description="Input read from a cache; as input if left out.")] = None
    cache_write_mtok: Annotated[Price | None, Meta(description="Input written to a cache; as input if left out.")] = None
    cache_write_1h_mtok: Annotated[Price | None, Meta(description="Input written to a cache for an hour; as `cache_write_mtok` if left out.")] = None
    input_audio_mtok: Annotated[Price | None, Meta(description="Audio that goes in; as input if left out.")] = None
    output_audio_mtok: Annotated[Price | None, Meta(description="Audio that comes out; as output if left out.")] = None
    input_image_mtok: Annotated[Price | None, Meta(description="Images that go in, counted in tokens; as input if left out.")] = None
    output_image_mtok: Annotated[Price | None, Meta(description="Images that come out, counted in tokens; as output if left out.")] = None
    mchars: Annotated[Price | None, Meta(description="A million characters.")] = None
    image: Annotated[Price | None, Meta(description="One image.")] = None
    megapixel: Annotated[Price | None, Meta(description="A million pixels of images that come out.")] = None
    audio_hour: Annotated[Price | None, Meta(description="An hour of audio.")] = None
    search: Annotated[Price | None, Meta(description="One web search by the provider.")] = None
    file_search: Annotated[Price | None, Meta(description="One search in the provider's files.")] = None
    container: Annotated[Price | None, Meta(description="One container for running code.")] = None
    request: Annotated[Price | None, Meta(description="Every request, beside all else.")] = None


class PricesTable(RatesTable, kw_only=True, frozen=True):
    """prices: one table, or several as [[models.NAME.prices]], each from its day on."""

    effective_from: Annotated[datetime.date | None, Meta(description="The day from which it counts, such as 2027-01-01 (UTC); from always if left out.")] = None
    free: Annotated[bool, Meta(description="true declares that it costs nothing. A price that is left out is never zero.")] = False
    tiers: Annotated[list[dict[str, Any]], Meta(description="Prices for long input, as below.")] = []
    service_tiers: Annotated[dict[str, Any], Meta(description="Prices by service tier (flex, priority, batch), as below.")] = {}
    images: Annotated[list[dict[str, Any]], Meta(description="Prices of one image by its size and quality, as below; the first that fits counts, and `image` for the rest.")] = []


class TierTable(RatesTable, kw_only=True, frozen=True):
    """tiers: prices of the whole request, once its input is longer."""

    input_tokens_above: Annotated[Count, Meta(description="With more input tokens than these, cached ones included.")]


class ServiceTable(RatesTable, kw_only=True, frozen=True):
    """service_tiers.NAME: prices of a service tier."""

    multiple: Annotated[Price | None, Meta(description="All prices times this, such as \"0.5\"; prices beside it win.")] = None


class ImagePriceTable(msgspec.Struct, kw_only=True, frozen=True):
    """images: the price of one image of a size, a quality, or both."""

    price: Annotated[Price, Meta(description="One image.")]
    size: Annotated[str | None, Meta(description="In pixels, such as \"1024x1792\", or as a class: 512, 1K, 2K, 4K; any if left out.")] = None
    quality: Annotated[str | None, Meta(description="In the provider's word, such as \"hd\"; any if left out.")] = None


class DeploymentTable(msgspec.Struct, kw_only=True, frozen=True):
    """deployments: the places that serve the model."""

    provider: Annotated[Text, Meta(description="The name of a provider in use.")]
    model: Annotated[Text, Meta(description="What that provider calls the model.")]
    credential: Annotated[Text | None, Meta(description="A name in [credentials], in place of the provider's.")] = None
    priority: Annotated[Priority, Meta(description="Lower ones are tried first.")] = 0
    weight: Annotated[Count, Meta(description="The share among those of the same priority.")] = 1


class ModelTable(msgspec.Struct, kw_only=True, frozen=True):
    """[models.NAME]: a model of one's own, or changes to one of the catalogue."""

    display_name: Annotated[Text | None, Meta(description="The name that people see.")] = None
    context_window: Annotated[Count | None, Meta(description="Tokens that fit, in and out.")] = None
    output_tokens_max: Annotated[Count | None, Meta(description="The most output tokens.")] = None
    aliases: Annotated[list[Text], Meta(description="Other names for it.")] = []
    prices: Annotated[dict[str, Any] | list[dict[str, Any]] | None, Meta(description="Its prices, as below.")] = None
    markup_percent: Annotated[Price | None, Meta(description="What callers pay on top of its prices, such as \"20\"; less for a negative one.")] = None
    deployments: Annotated[list[dict[str, Any]], Meta(description="Its deployments, as below.")] = []
# fmt: on


class Problems:
    """What is wrong so far, one line each."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, where: str, what: str) -> None:
        """Note that `what` is wrong at `where`."""
        self.found.append(f"{where} {what}")


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or nothing if none is near."""
    close = difflib.get_close_matches(name[:100], list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def show(value: object) -> str:
    """A value for a message, shortened. Never to be given a secret."""
    try:
        text = repr(value)
    except ValueError:
        # Python refuses to write out a number of thousands of digits.
        return "a number of too many digits"
    is_long = len(text) > SHOWN_VALUE_LENGTH_MAX
    return text[:SHOWN_VALUE_LENGTH_MAX] + "…" if is_long else text


def read_tables(document: Document, name: str, problems: Problems) -> Mapping[str, Any]:
    """The tables below the top-level table `name`; empty if it is missing or not a table."""
    found = document.values.get(name, {})
    if isinstance(found, dict):
        return found
    problems.add(document.where(name), "has to be a table")
    return {}


def read_fields(
    cls: type[T], document: Document, keys: tuple[str, ...], table: object, problems: Problems
) -> T | None:
    """One table as a `cls`; None if it is not a table or lacks a required field.

    Fields that are wrong are noted and keep their default, so that reading can go on.
    """
    if not isinstance(table, dict):
        problems.add(document.where(*keys), "has to be a table")
        return None
    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    for name in (name for name in table if name not in fields):
        what = f"is not known{nearest(name, fields)}"
        problems.add(document.where(*keys, name), what)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in table:
            if field.required:
                problems.add(document.where(*keys), f"needs {name}")
            continue
        try:
            values[name] = msgspec.convert(table[name], field.type, strict=True)
        except msgspec.ValidationError:
            # The value stays out of the message: it may be a secret in the wrong place.
            problems.add(document.where(*keys, name), f"has to be {describe(field.type)}")
    if any(field.required and name not in values for name, field in fields.items()):
        return None
    return cls(**values)


def describe(hint: Any) -> str:
    """What a field takes, for people."""
    bounds = ""
    while typing.get_origin(hint) is Annotated:
        hint, *metas = typing.get_args(hint)
        bounds = next((f", {m.ge} to {m.le}" for m in metas if m.ge is not None), bounds)
    args = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    if hint == datetime.date | None:
        return "a day, such as 2027-01-01"
    if len(args) == 2 and {typing.get_origin(arg) for arg in args} == {dict, list}:
        return "a table, or a list of tables"
    if hint == Price | None:
        return "a price, as text or a number"
    if typing.get_origin(hint) is list:
        return "a list of tables" if typing.get_origin(args[0]) is dict else "a list of text"
    if typing.get_origin(hint) is dict:
        return "a table"
    if args:
        return describe(args[0]) + bounds
    return {str: "text", int: "a whole number", bool: "true or false"}[hint] + bounds
