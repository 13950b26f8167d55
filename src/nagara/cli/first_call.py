"""A first call to paste: a curl line that works on this machine, with what is configured here.

It names a model that is served, by the address that the gateway listens on. Nothing is asked of
the gateway itself, which need not be running.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nagara.catalogue.shipped import load_shipped
from nagara.config.load import load_config
from nagara.domain.catalog import KeyKind, Route
from nagara.domain.configuration import ConfigError, Declared
from nagara.domain.usage import Meter
from nagara.operations.lanes import can_converse
from nagara.routing.lookup import is_open, make_open_route, nearest_ids
from nagara.routing.table import build_routes
from nagara.settings import Settings

EXAMPLE_MODEL = "gpt-4.1-mini"


def write_call(address: str, secret: str, model: str) -> list[str]:
    """The lines of a call for an answer. 80 columns hold them."""
    return [
        f"curl {address}/v1/responses \\",
        f"  -H 'Authorization: Bearer {secret}' \\",
        "  -H 'Content-Type: application/json' \\",
        f'  -d \'{{"model": "{model}", "input": "Say hello."}}\'',
    ]


def write_balance_call(address: str, secret: str) -> list[str]:
    """The lines of a call that a provisioning key may make."""
    return [f"curl {address}/v1/account/balance \\", f"  -H 'Authorization: Bearer {secret}'"]


def near(host: str, port: int) -> str:
    """The address as a client on this machine calls it: nobody can call 'all interfaces'."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def suggest_model(declared: Declared, routes: Mapping[str, Route]) -> str:
    """A model that converses here: the operator's own, else the usual, else the cheapest."""
    able = {
        id_: route
        for id_, route in routes.items()
        if id_ == route.model.id and any(map(can_converse, route.deployments))
    }
    for own in declared.models:
        if own.id in able and able[own.id].prices:
            return own.id
    if EXAMPLE_MODEL in able:
        return EXAMPLE_MODEL
    # The last card is the newest; which of a model's prices counts today makes no odds here.
    priced = {id_: _output_rate(route) for id_, route in able.items()}
    if priced:
        # What has no price is often no conversation, so it comes last.
        return min(priced, key=lambda id_: (not priced[id_], priced[id_], id_))
    open_names = [name for name, provider in declared.providers.items() if is_open(provider)]
    return f"{open_names[0]}/MODEL" if open_names else EXAMPLE_MODEL


def _output_rate(route: Route) -> int:
    cards = route.model.prices
    return cards[-1].rates_pico.get(Meter.OUTPUT, 0) if cards else 0


def find_unknown(models: Iterable[str], path: Path | None) -> Iterator[str]:
    """What to say of models that are unknown: a key for them alone may call nothing."""
    try:
        declared = load_config(path, os.environ).declared
        table = build_routes(declared, load_shipped())
    except ConfigError:
        return
    for model in sorted(models):
        if model in table.sandbox or model in table.routes:
            continue
        if make_open_route(model, declared.providers) is None:
            near = " or ".join(nearest_ids(model, table.sandbox))
            advice = f"; did you mean {near}?" if near else ""
            yield f"neither the shipped catalogue nor the configuration has {model!r}{advice}"


def find_call(kind: KeyKind, secret: str, allowed: frozenset[str] | None, path: Path | None) -> str:
    """A call for a key that was just made, by the configuration; beside a broken one, the usual."""
    settings, model = Settings(), EXAMPLE_MODEL
    try:
        config = load_config(path, os.environ)
        table = build_routes(config.declared, load_shipped())
        settings = config.settings
        model = suggest_model(config.declared, table.routes)
    except ConfigError:
        # The key is made, whatever is wrong elsewhere.
        pass
    address = near(settings.host, settings.port)
    if kind is KeyKind.PROVISIONING:
        lines = write_balance_call(address, secret)
    else:
        usual = EXAMPLE_MODEL if kind is KeyKind.TEST else model
        lines = write_call(address, secret, min(allowed) if allowed else usual)
    return "\n".join(
        ["Try it against a gateway on this machine:", *(f"  {line}" for line in lines)]
    )
