"""Where a request goes: the deployments to try, in order.

Pure: the random draw that spreads load by weight is an argument.
"""

from collections.abc import Sequence

from nagara.domain.catalog import Deployment, Operation, Route
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS, Endpoint
from nagara.operations.lanes import can_converse, can_serve


def plan(route: Route, endpoint: Endpoint, draw: float) -> Sequence[Deployment]:
    """The deployments that can serve `endpoint`, best first; `draw` lies in [0, 1).

    Lower `priority` comes first; among equals, whoever speaks the caller's own dialect, since that
    loses nothing; among those, one is chosen by weight and the others follow.
    None of them is given if the answer can only be estimated, for models that can converse.
    Raises `GatewayError` (UNSUPPORTED) when none has the operation, or one it can be translated to.
    """
    deployments = route.deployments
    if len(deployments) == 1 and endpoint.operation in deployments[0].operations:
        return deployments
    able = [d for d in deployments if can_serve(d, endpoint)]
    if not able:
        if endpoint.estimate is not None and any(map(can_converse, route.deployments)):
            return []
        raise _unsupported(route, endpoint)
    if len(able) == 1:
        return able
    return _order(able, endpoint.operation, draw)


def _order(able: list[Deployment], operation: Operation, draw: float) -> list[Deployment]:
    def rank(deployment: Deployment) -> tuple[int, bool]:
        return deployment.priority, not deployment.has(operation)

    able.sort(key=rank)
    best = [d for d in able if rank(d) == rank(able[0])]
    first = _choose(best, draw)
    return [first, *(d for d in able if d is not first)]


def _choose(among: list[Deployment], draw: float) -> Deployment:
    point = draw * sum(d.weight for d in among)
    for deployment in among:
        point -= deployment.weight
        if point < 0:
            return deployment
    return among[-1]


def _unsupported(route: Route, endpoint: Endpoint) -> GatewayError:
    served = {o for d in route.deployments for o in d.provider.paths if d.has(o)}
    # Of a model that the catalogue does not know, nobody knows what it is for.
    useful = served.intersection(route.model.operations) or served
    # Each by the first of its paths; counting tokens is no use of its own.
    paths: dict[Operation, str] = {}
    for able in ENDPOINTS.values():
        if able.operation in useful and not able.is_free:
            paths.setdefault(able.operation, able.path)
    *others, last = paths.values() or [""]
    advice = f" Call it at {', '.join(others)}{' or ' if others else ''}{last}." if last else ""
    names = ", ".join(dict.fromkeys(d.name for d in route.deployments))
    return GatewayError(
        ErrorKind.UNSUPPORTED,
        f"The model {route.model.id!r} is served by {names}, and cannot be called at "
        f"{endpoint.path} there.{advice}",
        param="model",
    )
