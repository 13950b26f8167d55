"""Who may call, what can be called, and where it is served.

These are the nouns of the gateway. `Snapshot` is the one immutable picture of all of them that a
request sees from its start to its end; a change of keys, models or settings makes a new one.
"""

import enum
import re
from collections.abc import Mapping
from functools import cached_property
from typing import NoReturn, TypeVar
from urllib.parse import quote

import msgspec

from nagara.domain.abilities import Abilities
from nagara.domain.limits import AS_SETTINGS_SAY, RateLimits
from nagara.domain.rates import RateCard

T = TypeVar("T")


class Secret:
    """A string that cannot be printed, formatted, compared or serialised by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself: only for the bytes that go to the provider."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "…"

    def __format__(self, spec: str) -> str:
        return "…"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither copied nor pickled")


class KeyKind(enum.StrEnum):
    """What a key opens: inference, the account API, or the sandbox only."""

    STANDARD = "standard"
    PROVISIONING = "provisioning"
    TEST = "test"


class Account(msgspec.Struct, frozen=True):
    """Who pays. `balance_nano` is what was there when it was read: only the ledger can tell."""

    id: int
    name: str
    created_at_s: int
    balance_nano: int
    markup_ppm: int | None = None
    limits: RateLimits = AS_SETTINGS_SAY


class LimitPeriod(enum.StrEnum):
    """How long a key's credit limit lasts before it begins anew, in UTC; weeks begin on Monday."""

    TOTAL = "total"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Key(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A secret that we issued, without the secret: `digest` is its keyed hash.

    `hint` is the first and last four characters after the prefix (`"abcd…wxyz"`).
    `allowed_models` of None allows every model.
    """

    id: int
    account_id: int
    name: str
    kind: KeyKind
    digest: bytes
    hint: str
    created_at_s: int
    expires_at_s: int | None = None
    is_enabled: bool = True
    credit_limit_nano: int | None = None
    limit_period: LimitPeriod = LimitPeriod.TOTAL
    allowed_models: frozenset[str] | None = None
    limits: RateLimits = AS_SETTINGS_SAY

    @cached_property
    def shown(self) -> str:
        """How the log names it."""
        return f"{self.id} {self.hint}"


class Operation(enum.StrEnum):
    """What an endpoint does. The value is the name that the catalogue and the logs use."""

    CHAT = "chat.completions"
    RESPONSES = "responses"
    MESSAGES = "messages"
    COUNT_TOKENS = "messages.count_tokens"
    GENERATE_CONTENT = "generate_content"
    COUNT_CONTENT_TOKENS = "generate_content.count_tokens"
    CONVERSE = "converse"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    MODERATIONS = "moderations"
    IMAGES = "images.generations"
    IMAGE_EDITS = "images.edits"
    IMAGE_VARIATIONS = "images.variations"
    SPEECH = "audio.speech"
    TRANSCRIPTIONS = "audio.transcriptions"
    TRANSLATIONS = "audio.translations"


class Auth(enum.Enum):
    """How a provider wants its credential presented."""

    BEARER = "authorization: Bearer"
    X_API_KEY = "x-api-key"
    API_KEY = "api-key"
    X_GOOG_API_KEY = "x-goog-api-key"
    XI_API_KEY = "xi-api-key"
    AWS_SIGV4 = "a signature by an AWS access key"
    GOOGLE_OAUTH = "an access token for a Google credentials file"
    NONE = "none"


class Transport(enum.Enum):
    """How a provider is reached: over HTTP, or inside this process (the sandbox)."""

    HTTP = "http"
    SANDBOX = "sandbox"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's facts were held against, told in `docs/providers.md`.

    `pages` are addresses: documentation, a published SDK's types, a maintainer's answer.
    `checked_on` is the day, as `YYYY-MM-DD`; `later` has the pages that facts were added from
    since, by their day. `unverified` says in words what none of them tells.
    """

    pages: tuple[str, ...]
    checked_on: str
    later: Mapping[str, tuple[str, ...]] = {}
    unverified: str = ""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A company or server we call: data, no network code. One of these per file in `providers/`.

    `paths` says which operations it has, in their own dialect, and where below `base_url`; a path
    may begin with `/..` to leave segments of the base URL, and may hold `{model}`. Where a caller's
    dialect is not among them, the first conversation among them is spoken instead: their order is
    the order of preference. A stream has another path only if `stream_paths` says so. Other names
    in braces are filled by the exchange that the operation's form means. `base_url`
    may hold `{NAME}`, which stands for an environment variable, or else for its value in
    `base_url_defaults`. The offers of the catalogue name it by `name`.
    """

    name: str
    display_name: str
    homepage: str
    base_url: str | None
    base_url_env: str | None = None
    base_url_defaults: Mapping[str, str] = {}
    base_url_variants: Mapping[str, str] = {}
    """Other base URLs, by the `NAME=value` of a variable that calls for one (nothing: not set)."""
    credential_env: tuple[str, ...] = ()
    credential_parts_env: tuple[str, ...] = ()
    """Variables whose values make one credential, joined by colons; the last may be missing."""
    credential_file_env: str | None = None
    """A variable that names a file which holds the credential."""
    auth: Auth = Auth.BEARER
    credential_forms: Mapping[str, Auth] = {}
    """How credentials that begin otherwise are presented: a regular expression, and the way."""
    paths: Mapping[Operation, str]
    stream_paths: Mapping[Operation, str] = {}
    forms: Mapping[Operation, Mapping[str, str]] = {}
    """What it speaks where an operation that is no conversation is not put in its usual format.

    By a regular expression for the names of models, the first that is found in one; the forms are
    named in the operation's folder in `dialects/`.
    """
    inputs_max: Mapping[Operation, int] = {}
    """How many inputs it takes in one call, where callers may send more."""
    tokens_max: Mapping[Operation, Mapping[str, int]] = {}
    """How many tokens they may have together, by regular expressions as those of `forms`."""
    file_bytes_max: Mapping[Operation, int] = {}
    """How large a file it takes, where it is told and less than callers may send."""
    headers: tuple[tuple[str, str], ...] = ()
    transport: Transport = Transport.HTTP
    is_credential_optional: bool = False
    """A server of one's own: it may be called without a credential."""
    is_self_hosted: bool = False
    """Whether it is a server of one's own even where it asks for a credential."""
    has_open_models: bool = False
    """Whether it is asked for any model name, because no catalogue says which it has."""
    models_without: Mapping[Operation, str] = {}
    """Models that lack an operation which the provider has: a regular expression for their names.

    They are asked in the next of its dialects instead.
    """
    adds: Abilities = Abilities()
    """What it can be asked for beyond its dialect's own provider."""
    lacks: Abilities = Abilities()
    """What its dialect's own provider can be asked for, and it cannot."""
    traits: frozenset[str] = frozenset()
    """Its own ways within its dialect, each named and explained in that dialect's folder."""
    picks_model_by: frozenset[str] = frozenset()
    """Fields of a request by which it would ask another model than the one that is paid for."""
    is_state_shared: bool = False
    """Whether callers may name what the provider keeps under the gateway's credential.

    The operator says so, whose accounts all call with that one credential.
    """
    signature_maker: str | None = None
    """Whose reasoning it can read back, if not its own alone: providers of one model share it."""
    evidence: Evidence | None = None
    """What the facts here were held against; None where there are no facts to check."""

    def operations_of(self, model: str) -> frozenset[Operation]:
        """What the model of that name can be asked for here."""
        without = self.models_without
        return frozenset(
            operation
            for operation in self.paths
            if operation not in without or re.search(without[operation], model) is None
        )

    def form_of(self, operation: Operation, model: str) -> str | None:
        """How it puts an operation for the model of that name; None for the usual format."""
        return _find_by_model(self.forms.get(operation, {}), model)

    def tokens_max_of(self, operation: Operation, model: str) -> int | None:
        """How many tokens one call may have for the model of that name; None where nothing says."""
        return _find_by_model(self.tokens_max.get(operation, {}), model)

    def choose_auth(self, credential: Secret | None) -> Auth:
        """How this credential is presented, by what it looks like."""
        text = "" if credential is None else credential.reveal()
        for form, auth in self.credential_forms.items():
            if re.match(form, text):
                return auth
        return self.auth


def _find_by_model(found: Mapping[str, T], model: str) -> T | None:
    for pattern, value in found.items():
        if re.search(pattern, model):
            return value
    return None


class ConfiguredProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as the operator set it up: the name it has here, its address, its credential.

    `models` of None means all that it offers. `credential_source` says where the credential came
    from, in words that may be printed. `priority` of None leaves the order to the routes.
    """

    name: str
    provider: Provider
    base_url: str | None = None
    credential: Secret | None = None
    credential_source: str = "none"
    models: tuple[str, ...] | None = None
    priority: int | None = None
    weight: int = 1


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One place where a model is served: a provider, a credential, and its own model name.

    `name` is how the operator calls the configured provider (`"openai"`, `"my-vllm"`).
    """

    name: str
    provider: Provider
    model: str
    base_url: str | None = None
    credential: Secret | None = None
    priority: int = 0
    weight: int = 1
    meant_for: frozenset[Operation] | None = None
    """What the model itself is for; None where that is not known, and the provider may be asked."""

    operations: frozenset[Operation] = frozenset()
    """What this model can be asked for, each in its own dialect. Never given: it follows."""

    costs: tuple[RateCard, ...] = ()
    """What the provider charges the operator, from when: the last in force counts."""

    def __post_init__(self) -> None:
        # Every request asks for it, and matching model names takes as long as choosing a route.
        operations = self.provider.operations_of(self.model)
        if self.meant_for is not None:
            operations &= self.meant_for
        msgspec.structs.force_setattr(self, "operations", operations)

    def choose_auth(self) -> Auth:
        """How its credential is presented."""
        return self.provider.choose_auth(self.credential)

    @property
    def is_self_hosted(self) -> bool:
        """Whether nobody bills for it: a server that runs here, or that asks nobody who they are.

        The sandbox is none: with a standard key it is charged as the real model is.
        """
        provider = self.provider
        is_open = provider.is_credential_optional and self.credential is None
        return provider.transport is Transport.HTTP and (provider.is_self_hosted or is_open)

    def has(self, operation: Operation) -> bool:
        """Whether this model can be asked for `operation` in that operation's own dialect."""
        return operation in self.operations

    def without(self, operation: Operation) -> "Deployment":
        """The same, as if its provider did not have `operation`."""
        paths = {known: path for known, path in self.provider.paths.items() if known != operation}
        provider = msgspec.structs.replace(self.provider, paths=paths)
        return msgspec.structs.replace(self, provider=provider)

    def address(
        self,
        operation: Operation,
        places: Mapping[str, str] | None = None,
        *,
        is_streamed: bool = False,
    ) -> str | None:
        """The whole URL for `operation`; None if the provider does not have it, or no address.

        `places` are what stands for other names in braces than `{model}`.
        """
        provider = self.provider
        base_url, path = self.base_url or provider.base_url, provider.paths.get(operation)
        if base_url is None or path is None:
            return None
        if is_streamed:
            path = provider.stream_paths.get(operation, path)
        base_url = base_url.rstrip("/")
        while path.startswith("/../"):
            base_url, path = base_url.rpartition("/")[0], path[3:]
        for name, value in {**(places or {}), "model": self.model}.items():
            # What fills a place has no braces left, so it is no place itself.
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return base_url + path


class Startup(msgspec.Struct, frozen=True):
    """The company that made a model."""

    id: str
    display_name: str
    homepage: str | None = None


class Offer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider's listing of a model in the catalogue: its own name for it and its price."""

    provider: str
    model: str
    prices: tuple[RateCard, ...] = ()


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A public name that callers ask for, with the facts that the catalogue shows.

    `created_s` and `deprecates_at_s` are Unix times. `prices` are the list prices, from when.
    `image_tokens_max` is what an image counts at the most, where that is more than usual, and
    `drawn_tokens_max` what one takes that it draws, where its answers have words beside.
    `has_own_tools`: it searches and reads of its own accord, whatever the request offers it.
    """

    id: str
    startup: str
    display_name: str
    description: str | None = None
    created_s: int = 0
    context_window: int | None = None
    output_tokens_max: int | None = None
    output_images_max: int | None = None
    image_tokens_max: int | None = None
    drawn_tokens_max: int | None = None
    has_own_tools: bool = False
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    operations: tuple[Operation, ...] = ()
    parameters: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    deprecates_at_s: int | None = None
    prices: tuple[RateCard, ...] = ()
    offers: tuple[Offer, ...] = ()


class Catalogue(msgspec.Struct, frozen=True):
    """All known models and the startups that made them. Built once, stored, never edited."""

    built_at_s: int
    source: str
    models: tuple[Model, ...]
    startups: tuple[Startup, ...]


class Route(msgspec.Struct, frozen=True):
    """A model and the deployments that serve it, best first by priority, then by weight.

    `prices` are what the caller pays, from when: the last in force counts. None: it has no price.
    """

    model: Model
    deployments: tuple[Deployment, ...]
    prices: tuple[RateCard, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a request may look at, as of one moment.

    `routes` is keyed by every id that a caller may send: model ids and aliases. `sandbox` holds
    the same keys, served by the sandbox: what test keys see.
    `providers` are the configured ones by the operator's name, for `provider/model` ids.
    """

    keys: Mapping[bytes, Key]
    accounts: Mapping[int, Account]
    catalogue: Catalogue
    routes: Mapping[str, Route]
    sandbox: Mapping[str, Route]
    providers: Mapping[str, ConfiguredProvider] = {}
