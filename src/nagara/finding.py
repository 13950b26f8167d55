"""Which route a model's name leads to for a key, and what is told when there is none."""

import msgspec

from nagara.access import authorize
from nagara.domain.catalog import Key, KeyKind, Route, Snapshot, Transport
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.routing.lookup import nearest_models, resolve_route
from nagara.sandbox.faults import split_fault


def find_route(snapshot: Snapshot, model: str, key: Key) -> Route:
    """The route of a model that the key may use; raises `GatewayError` for any other."""
    route = resolve_route(snapshot, model, key.kind) or find_faulty(snapshot, model, key)
    if route is None:
        raise model_not_found(snapshot, model)
    if key.allowed_models is not None:
        authorize(key, model, (route.model.id, *route.model.aliases))
    return route


def model_not_found(snapshot: Snapshot, model: str) -> GatewayError:
    """Why a model is not to be had, and what is."""
    name, fault = split_fault(model)
    nearest = nearest_models(snapshot, model)
    if fault is not None and resolve_route(snapshot, name, KeyKind.STANDARD):
        reason = f"Failures on request (':{fault.name}') are for test keys (ng-test-…). "
    elif model in snapshot.sandbox:
        reason = "It is known, but none of the providers in use here has it. "
    else:
        reason = f"The nearest are {', '.join(nearest)}. " if nearest else ""
    return GatewayError(
        ErrorKind.MODEL_NOT_FOUND,
        f"There is no model {model[:100]!r} here. {reason}GET /v1/models lists all there are.",
        param="model",
    )


def find_faulty(snapshot: Snapshot, model: str, key: Key) -> Route | None:
    """The route of a model with a fault's suffix (`:fail-429`): only where the sandbox serves."""
    name, fault = split_fault(model)
    route = resolve_route(snapshot, name, key.kind) if fault is not None else None
    if route is None or route.deployments[0].provider.transport is not Transport.SANDBOX:
        return None
    faulty = msgspec.structs.replace(route.deployments[0], model=model)
    return msgspec.structs.replace(route, deployments=(faulty,))
