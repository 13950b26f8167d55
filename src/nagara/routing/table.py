"""From what is declared and what the catalogue knows to the routes that requests look up.

Every id that a caller may send is a key: model ids, aliases, and `provider/model` for one provider
alone. With no provider in use, the sandbox serves every id; a test key is served by it always. All
of it is computed once for a snapshot; only names at providers that serve any model are resolved
when they are asked for (`nagara.routing.lookup`).
"""

from collections.abc import Iterator, Mapping

import msgspec

from nagara.domain.catalog import (
    Catalogue,
    ConfiguredProvider,
    Deployment,
    Model,
    Provider,
    Route,
    Transport,
)
from nagara.domain.configuration import ConfigError, Declared, DeclaredAlias, DeclaredModel
from nagara.domain.rates import FREE_CARD, RateCard
from nagara.providers import SANDBOX
from nagara.routing.lookup import (
    find_prices,
    find_purpose,
    make_open_route,
    make_sandbox_route,
    suggest,
)

# Between deployments that the operator did not order: a model's own maker, then others, and a
# sandbox only when nothing real is left.
PRIORITY_MAKER = 0
PRIORITY_OTHERS = 1
PRIORITY_SANDBOX = 9


class RouteTable(msgspec.Struct, frozen=True):
    """The routes for standard keys, those for test keys, and what the operator may want to know."""

    routes: Mapping[str, Route]
    sandbox: Mapping[str, Route]
    warnings: tuple[str, ...]


def build_routes(declared: Declared, catalogue: Catalogue) -> RouteTable:
    """All routes. Raises `ConfigError` for ids and aliases that clash or lead nowhere."""
    problems: list[str] = []
    warnings: list[str] = []
    models = merge_models(declared, catalogue, problems)
    listed = list(find_listed(declared, models, warnings))
    for _, _, model in listed:
        models.setdefault(model.id, model)
    aliases = find_aliases(declared, models, problems)
    sandbox = {id_: make_sandbox_route(model) for id_, model in models.items()}
    routes = dict(sandbox)
    if declared.providers:
        served = list_deployments(declared, models, listed)
        priced = frozenset(own.id for own in declared.models if own.prices is not None)
        routes = {
            id_: make_route(models[id_], found, priced) for id_, found in served.items() if found
        }
        add_qualified(routes, served, models, priced)
    warnings += find_unpriced(declared, routes)
    warnings += add_aliases(aliases, declared, routes, sandbox, problems)
    if problems:
        raise ConfigError(problems)
    return RouteTable(routes, sandbox, tuple(warnings))


def find_unpriced(declared: Declared, routes: Mapping[str, Route]) -> Iterator[str]:
    """What to say of the operator's own models that callers would be refused."""
    for own in declared.models:
        if own.id in routes and not routes[own.id].prices:
            yield (
                f"{own.where} has no price: calls are refused until it has prices, "
                'or unpriced_models = "free" in [billing] lets it be free'
            )


def merge_models(declared: Declared, catalogue: Catalogue, problems: list[str]) -> dict[str, Model]:
    """The models of the catalogue, changed and added to by the operator's, by id."""
    models = {model.id: model for model in catalogue.models}
    for own in declared.models:
        known = models.get(own.id)
        if known is None and not own.deployments and declared.providers:
            advice = suggest(own.id, models)
            problems.append(f"{own.where} is not in the catalogue and needs deployments{advice}")
        models[own.id] = change_model(known or make_model(own.id), own)
    return models


def change_model(model: Model, own: DeclaredModel) -> Model:
    """The model with everything that the operator declared in place of what it had."""
    changes = {
        name: value
        for name in ("display_name", "context_window", "output_tokens_max")
        if (value := getattr(own, name)) is not None
    }
    prices = join_prices(model.prices, own.prices, own.markup_ppm)
    return msgspec.structs.replace(model, prices=prices, **changes)


def join_prices(
    known: tuple[RateCard, ...], own: tuple[RateCard, ...] | None, markup_ppm: int | None
) -> tuple[RateCard, ...]:
    """What a model costs: the catalogue's cards until the operator's own begin, then those."""
    cards = known if own is None else (*known, *own)
    if own and own[0].effective_from_s == 0:
        cards = own
    if markup_ppm is None:
        return cards
    return tuple(msgspec.structs.replace(card, markup_ppm=markup_ppm) for card in cards)


def make_model(id_: str, startup: str = "custom") -> Model:
    """A model of which nothing is known but its id."""
    return Model(id=id_, startup=startup, display_name=id_)


Listed = tuple[ConfiguredProvider, str, Model]
"""A provider, its own name for a model, and that model."""


def find_listed(
    declared: Declared, models: Mapping[str, Model], warnings: list[str]
) -> Iterator[Listed]:
    """The names in providers' `models` lists that no offer of the catalogue accounts for."""
    by_name = {alias: model for model in models.values() for alias in (*model.aliases, model.id)}
    for configured in declared.providers.values():
        offered = {
            name
            for model in models.values()
            for offer in offers_of(configured, model)
            for name in (model.id, offer)
        }
        for name in configured.models or ():
            if name in offered:
                continue
            model = by_name.get(name) or make_model(name, configured.name)
            if not model.prices and not deploy(configured, name, model).is_self_hosted:
                warnings.append(f"{name} at provider {configured.name} has no known price")
            yield configured, name, model


def offers_of(configured: ConfiguredProvider, model: Model) -> Iterator[str]:
    """The names under which the configured provider offers the model."""
    provider = configured.provider
    if provider.transport is Transport.SANDBOX:
        yield model.id
    for offer in model.offers:
        if offer.provider == provider.name:
            yield offer.model


def list_deployments(
    declared: Declared, models: Mapping[str, Model], listed: list[Listed]
) -> dict[str, list[Deployment]]:
    """The deployments of each model: declared ones, or else all that the providers offer."""
    found: dict[str, list[Deployment]] = {id_: [] for id_ in models}
    own = {model.id: declare_deployments(model, declared.providers) for model in declared.models}
    for id_, model in models.items():
        for configured in declared.providers.values():
            for name in offers_of(configured, model):
                if is_wanted(configured, model, name):
                    found[id_].append(deploy(configured, name, model))
    for configured, name, model in listed:
        found[model.id].append(deploy(configured, name, model))
    found |= {id_: deployments for id_, deployments in own.items() if deployments}
    costs = {(x.provider, x.model): x.prices for model in models.values() for x in model.offers}
    return {id_: [add_costs(d, costs) for d in deployments] for id_, deployments in found.items()}


def add_costs(
    deployment: Deployment, costs: Mapping[tuple[str, str], tuple[RateCard, ...]]
) -> Deployment:
    """The deployment with what its provider charges for that model, as far as it is known."""
    known = costs.get((deployment.provider.name, deployment.model), ())
    found = (FREE_CARD,) if deployment.is_self_hosted else known
    return msgspec.structs.replace(deployment, costs=found) if found else deployment


def is_wanted(configured: ConfiguredProvider, model: Model, name: str) -> bool:
    """Whether the provider's `models` list lets this model through, by either name."""
    return configured.models is None or model.id in configured.models or name in configured.models


def deploy(configured: ConfiguredProvider, name: str, model: Model) -> Deployment:
    """The model at a provider, under the provider's own name for it."""
    priority = configured.priority
    return Deployment(
        name=configured.name,
        provider=configured.provider,
        model=name,
        base_url=configured.base_url,
        credential=configured.credential,
        priority=default_priority(configured.provider, model) if priority is None else priority,
        weight=configured.weight,
        meant_for=find_purpose(configured.provider, model),
    )


def default_priority(provider: Provider, model: Model) -> int:
    """Whom to try first where the operator did not say."""
    if provider.transport is Transport.SANDBOX:
        return PRIORITY_SANDBOX
    return PRIORITY_MAKER if model.startup == provider.name else PRIORITY_OTHERS


def declare_deployments(
    model: DeclaredModel, providers: Mapping[str, ConfiguredProvider]
) -> list[Deployment]:
    """The deployments that the operator wrote for a model. The sandbox needs no set-up."""
    sandbox = ConfiguredProvider(name=SANDBOX.name, provider=SANDBOX)
    known = {SANDBOX.name: sandbox, **providers}
    return [
        Deployment(
            name=own.provider,
            provider=known[own.provider].provider,
            model=own.model,
            base_url=known[own.provider].base_url,
            credential=own.credential or known[own.provider].credential,
            priority=own.priority,
            weight=own.weight,
        )
        for own in model.deployments
    ]


def make_route(model: Model, deployments: list[Deployment], priced: frozenset[str]) -> Route:
    """The model with its deployments in order: priority, then weight, then as declared.

    `priced` are the models that the operator gave a price.
    """
    ordered = tuple(sorted(deployments, key=lambda d: (d.priority, -d.weight)))
    return Route(model, ordered, find_prices(model, ordered, is_declared=model.id in priced))


def add_qualified(
    routes: dict[str, Route],
    served: Mapping[str, list[Deployment]],
    models: Mapping[str, Model],
    priced: frozenset[str],
) -> None:
    """`provider/model` for each provider, by our id and by its own name; ids of models win."""
    for id_, deployments in served.items():
        by_provider: dict[str, list[Deployment]] = {}
        for deployment in deployments:
            by_provider.setdefault(deployment.name, []).append(deployment)
        for name, found in by_provider.items():
            route = make_route(models[id_], found, priced)
            for key in (id_, *(deployment.model for deployment in found)):
                routes.setdefault(f"{name}/{key}", route)


def find_aliases(
    declared: Declared, models: Mapping[str, Model], problems: list[str]
) -> list[DeclaredAlias]:
    """All aliases, the operator's before the catalogue's, which give way where they clash."""
    own = [
        DeclaredAlias(name, model.id, model.where)
        for model in declared.models
        for name in model.aliases
    ]
    found: dict[str, DeclaredAlias] = {}
    for alias in (*own, *declared.aliases):
        if alias.name in models:
            problems.append(f"{alias.where}: the alias {alias.name!r} is the id of a model")
        elif alias.name in found:
            problems.append(f"{alias.where}: the alias {alias.name!r} is declared twice")
        else:
            found[alias.name] = alias
    for model in models.values():
        for name in model.aliases:
            if name not in models:
                found.setdefault(name, DeclaredAlias(name, model.id, ""))
    return list(found.values())


def add_aliases(
    aliases: list[DeclaredAlias],
    declared: Declared,
    routes: dict[str, Route],
    sandbox: dict[str, Route],
    problems: list[str],
) -> Iterator[str]:
    """Make each alias a key beside its target. Gives warnings; notes those that lead nowhere."""
    targets = {alias.name: alias.target for alias in aliases}
    for alias in aliases:
        target = follow(alias.target, targets)
        route = routes.get(target) or make_open_route(target, declared.providers)
        if route is not None:
            routes[alias.name] = route
            sandbox[alias.name] = sandbox.get(target) or make_sandbox_route(route.model)
        elif target in sandbox:
            sandbox[alias.name] = sandbox[target]
            if alias.where:
                yield f"{alias.where}: no provider in use serves {target!r}"
        else:
            advice = suggest(alias.target, routes)
            problems.append(f"{alias.where} leads nowhere: there is no {alias.target!r}{advice}")


def follow(id_: str, targets: Mapping[str, str]) -> str:
    """What an alias of an alias leads to in the end; for a circle, one of its aliases."""
    for _ in range(len(targets)):
        if id_ not in targets:
            break
        id_ = targets[id_]
    return id_
