"""Finding the route of one request in a snapshot, and the nearest ids when there is none.

Most ids are plain keys of the snapshot. What is left are names at providers that serve any model,
such as `ollama/llama3.2`, and `provider/model` ids in the sandbox. The time that an unknown id
takes is bounded, whatever its length.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from nagara.domain.catalog import (
    ConfiguredProvider,
    Deployment,
    KeyKind,
    Model,
    Operation,
    Provider,
    Route,
    Snapshot,
    Transport,
)
from nagara.domain.rates import FREE_CARD, RateCard
from nagara.providers import PROVIDERS, SANDBOX

# Looking up a member of an enum is a call, and every request asks for this one.
_TEST = KeyKind.TEST

APART = frozenset(
    {
        Operation.EMBEDDINGS,
        Operation.RERANK,
        Operation.MODERATIONS,
        Operation.IMAGES,
        Operation.IMAGE_EDITS,
        Operation.IMAGE_VARIATIONS,
        Operation.SPEECH,
        Operation.TRANSCRIPTIONS,
        Operation.TRANSLATIONS,
    }
)
"""What models are made for that do nothing else."""

MODEL_ID_LENGTH_MAX = 200
NEAREST_MAX = 3
CANDIDATES_MAX = 50
LENGTH_GAP_MAX = 8


def resolve_route(snapshot: Snapshot, model_id: str, key_kind: KeyKind) -> Route | None:
    """The route for the id that a caller sent, or None if there is no such model for this key."""
    is_sandboxed = key_kind is _TEST or not snapshot.providers
    table = snapshot.sandbox if is_sandboxed else snapshot.routes
    route = table.get(model_id)
    if route is not None or len(model_id) > MODEL_ID_LENGTH_MAX:
        return route
    name, _, model = model_id.partition("/")
    if name == SANDBOX.name:
        return snapshot.sandbox.get(model)
    open_route = make_open_route(model_id, snapshot.providers)
    if not is_sandboxed:
        return open_route
    is_provider = name in snapshot.providers or name in PROVIDERS
    known = snapshot.sandbox.get(model) if is_provider else None
    return known or (make_sandbox_route(open_route.model) if open_route else None)


def make_open_route(model_id: str, providers: Mapping[str, ConfiguredProvider]) -> Route | None:
    """`provider/model` at a provider that is asked for any name; None if it is no such id."""
    name, _, model = model_id.partition("/")
    configured = providers.get(name)
    if configured is None or not is_open(configured) or not is_sendable(model):
        return None
    deployment = Deployment(
        name=name,
        provider=configured.provider,
        model=model,
        base_url=configured.base_url,
        credential=configured.credential,
    )
    operations = tuple(op for op in Operation if op in configured.provider.paths)
    known = Model(id=model_id, startup=name, display_name=model, operations=operations)
    return Route(known, (deployment,), find_prices(known, (deployment,)))


def is_open(configured: ConfiguredProvider) -> bool:
    """Whether any model name may be sent there: it has no catalogue, and the operator no list."""
    return configured.models is None and configured.provider.has_open_models


def is_sendable(model: str) -> bool:
    """Whether the text can be a model's name at all."""
    return bool(model) and model.isprintable() and len(model) <= MODEL_ID_LENGTH_MAX


def make_sandbox_route(model: Model) -> Route:
    """The model, served by the sandbox."""
    deployment = Deployment(
        name=SANDBOX.name,
        provider=SANDBOX,
        model=model.id,
        meant_for=find_purpose(SANDBOX, model),
    )
    return Route(model, (deployment,), find_prices(model, (deployment,)))


def find_purpose(provider: Provider, model: Model) -> frozenset[Operation] | None:
    """What the model can be asked for at this provider, where the catalogue knows that.

    A model of which the catalogue knows nothing else is taken for a conversation, so a provider may
    be asked to embed with it all the same. The sandbox has no models of its own to know better.
    """
    known = frozenset(model.operations)
    is_played = provider.transport is Transport.SANDBOX
    if not known:
        # In the catalogue it is for what has no endpoint here, such as speech.
        return known if is_played and model.offers else None
    if known <= APART:
        return known
    return frozenset(provider.paths) - (APART - known) if is_played else None


def find_prices(
    model: Model, deployments: Sequence[Deployment], *, is_declared: bool = False
) -> tuple[RateCard, ...]:
    """What callers pay for the model where these serve it; nothing if nobody gave it a price.

    Servers of one's own are free by declaration, unless the operator declared a price all the same
    (`is_declared`). Where one of the deployments is somebody else's, the model's price counts.
    """
    is_own = bool(deployments) and all(deployment.is_self_hosted for deployment in deployments)
    return (FREE_CARD,) if is_own and not is_declared else model.prices


def nearest_models(snapshot: Snapshot, model_id: str) -> list[str]:
    """Up to three ids near to one that is not there, for the message that says so."""
    return nearest_ids(model_id, snapshot.routes or snapshot.sandbox)


def nearest_ids(model_id: str, ids: Iterable[str]) -> list[str]:
    """Up to three of `ids` near to `model_id`, best first, in bounded time."""
    wanted = model_id[:MODEL_ID_LENGTH_MAX].lower()
    bits = pairs(wanted)
    # Comparing letter by letter with every id would take tens of milliseconds: only those of a
    # like length and kind are looked at, and only those that share the most pairs are compared.
    alike = (
        id_
        for id_ in ids
        if abs(len(id_) - len(wanted)) <= LENGTH_GAP_MAX and ("/" in id_) == ("/" in wanted)
    )
    ranked = sorted(alike, key=lambda id_: len(bits & pairs(id_)), reverse=True)
    close = {id_.lower(): id_ for id_ in reversed(ranked[:CANDIDATES_MAX])}
    found = difflib.get_close_matches(wanted, close, n=NEAREST_MAX, cutoff=0.6)
    return [close[id_] for id_ in found]


def suggest(model_id: str, ids: Iterable[str]) -> str:
    """`; did you mean "x"?` for the nearest of `ids`; nothing if none is near."""
    near = nearest_ids(model_id, ids)
    return f'; did you mean "{near[0]}"?' if near else ""


def pairs(text: str) -> set[str]:
    """The pairs of neighbouring letters in a text."""
    return {text[i : i + 2] for i in range(len(text) - 1)}
