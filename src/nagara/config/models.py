"""The operator's own models and aliases, as the file declares them.

What can be known without the catalogue is checked here: fields, prices, the providers and
credentials that deployments name. Whether ids and aliases clash is known only with the catalogue.
"""

from collections.abc import Mapping

from nagara.config.document import Document
from nagara.config.prices import has_price, read_markup, read_prices
from nagara.config.providers import Credentials, UnusableError
from nagara.config.tables import (
    DeploymentTable,
    ModelTable,
    Problems,
    nearest,
    read_fields,
    read_tables,
)
from nagara.domain.catalog import ConfiguredProvider
from nagara.domain.configuration import DeclaredAlias, DeclaredDeployment, DeclaredModel
from nagara.providers import PROVIDERS, SANDBOX
from nagara.routing.lookup import MODEL_ID_LENGTH_MAX

FREE_SUFFIX = ":free"
NOT_FREE = "is called free, so its prices have to be { free = true }"
NO_MODEL_ID = "is no model id: it needs printable text, no spaces"


def read_models(
    document: Document,
    providers: Mapping[str, ConfiguredProvider],
    credentials: Credentials,
    problems: Problems,
) -> tuple[DeclaredModel, ...]:
    """The [models] of the file, without those that are no tables."""
    models = []
    for name, table in read_tables(document, "models", problems).items():
        keys = ("models", name)
        if not is_model_id(name):
            problems.add(document.where(*keys), NO_MODEL_ID)
        fields = read_fields(ModelTable, document, keys, table, problems)
        if fields is None:
            continue
        prices = read_prices(document, keys, fields.prices, problems)
        if name.endswith(FREE_SUFFIX) and any(has_price(card) for card in prices or ()):
            problems.add(document.where(*keys), NOT_FREE)
        deployments = (
            read_deployment(document, keys, entry, providers, credentials, problems)
            for entry in fields.deployments
        )
        models.append(
            DeclaredModel(
                id=name,
                where=document.where(*keys),
                display_name=fields.display_name,
                context_window=fields.context_window,
                output_tokens_max=fields.output_tokens_max,
                aliases=tuple(fields.aliases),
                prices=prices,
                markup_ppm=read_markup(document, keys, fields.markup_percent, problems),
                deployments=tuple(d for d in deployments if d is not None),
            )
        )
    return tuple(models)


def is_model_id(name: str) -> bool:
    """Whether a caller could send this id in a header or a path."""
    is_short = 0 < len(name) <= MODEL_ID_LENGTH_MAX
    return is_short and name.isascii() and name.isprintable() and " " not in name


def advise_provider(name: str, providers: Mapping[str, ConfiguredProvider]) -> str:
    """How a provider of that name comes into use, or which one may be meant."""
    known = PROVIDERS.get(name)
    if known is None:
        return nearest(name, {**providers, **PROVIDERS})
    variable = next(iter(known.credential_env), None) or known.base_url_env
    return f": set {variable}, or write [providers.{name}]"


def read_deployment(
    document: Document,
    keys: tuple[str, ...],
    table: object,
    providers: Mapping[str, ConfiguredProvider],
    credentials: Credentials,
    problems: Problems,
) -> DeclaredDeployment | None:
    """One deployment of a model; None if it is wrong beyond use."""
    keys = (*keys, "deployments")
    fields = read_fields(DeploymentTable, document, keys, table, problems)
    if fields is None:
        return None
    if fields.provider not in providers and fields.provider != SANDBOX.name:
        advice = advise_provider(fields.provider, providers)
        what = f"names {fields.provider!r}, which is no provider in use{advice}"
        problems.add(document.where(*keys), what)
        return None
    secret = None
    if fields.credential is not None:
        try:
            secret, _ = credentials.find(fields.credential)
        except UnusableError as error:
            problems.add(document.where(*keys, "credential"), str(error))
    return DeclaredDeployment(
        provider=fields.provider,
        model=fields.model,
        credential=secret,
        priority=fields.priority,
        weight=fields.weight,
    )


def read_aliases(document: Document, problems: Problems) -> tuple[DeclaredAlias, ...]:
    """The [aliases] of the file: other names for model ids."""
    aliases = []
    for name, target in read_tables(document, "aliases", problems).items():
        where = document.where("aliases", name)
        if not isinstance(target, str) or not target:
            problems.add(where, "has to be the id of a model, as text")
        elif not is_model_id(name):
            problems.add(where, NO_MODEL_ID)
        else:
            aliases.append(DeclaredAlias(name, target, where))
    return tuple(aliases)
