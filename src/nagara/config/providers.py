"""Which providers are in use, and with which credentials.

The file says so, and the environment: every built-in provider whose credential variable is set,
and every local one whose address variable is set, unless the file switches it off. A provider in
the file that cannot work is a problem; one that only the environment suggests is left out with a
warning. Secrets go into `Secret` at once, and no message shows one.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from nagara.access import PREFIXES
from nagara.config.document import Document
from nagara.config.tables import (
    CredentialTable,
    Problems,
    ProviderTable,
    nearest,
    read_fields,
    read_tables,
    show,
)
from nagara.domain.catalog import Auth, ConfiguredProvider, KeyKind, Provider, Secret, Transport
from nagara.providers import PROVIDERS
from nagara.settings import Settings
from nagara.upstream.google_token import MISSING_EXTRA, can_sign, read_credentials_file
from nagara.upstream.origin import read_base_url
from nagara.upstream.sigv4 import read_aws_credential

SECRET_BYTES_MAX = 65_536
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PLACEHOLDER = re.compile(r"\{([A-Z0-9_]+)\}")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARD_HOSTS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on


class UnusableError(Exception):
    """Why a provider or a credential cannot be used, as the end of a sentence."""


class Credentials:
    """The [credentials] of the file, each read when it is first asked for."""

    def __init__(self, document: Document, env: Mapping[str, str], problems: Problems) -> None:
        self._env = env
        self._tables: dict[str, CredentialTable] = {}
        self.files: list[Path] = []
        self.warnings: list[str] = []
        for name, table in read_tables(document, "credentials", problems).items():
            where = ("credentials", name)
            fields = read_fields(CredentialTable, document, where, table, problems)
            if fields is None:
                continue
            if sum(v is not None for v in (fields.env, fields.file, fields.value)) != 1:
                problems.add(document.where(*where), "needs exactly one of env, file, value")
            if fields.value is not None:
                self.warnings.append(
                    f"{document.where(*where)} has its secret in the file; prefer env or file"
                )
            self._tables[name] = fields

    def find(self, name: str) -> tuple[Secret, str]:
        """The credential and its source. Raises `UnusableError` if there is none of that name."""
        table = self._tables.get(name)
        if table is None:
            # The name stays out of it: people put the secret itself there.
            raise UnusableError(f"names no table in [credentials]{nearest(name, self._tables)}")
        if table.env is not None:
            text, source = self._env.get(table.env, ""), table.env
        elif table.file is not None:
            text, source = self._read(Path(table.file)), table.file
        else:
            text, source = table.value or "", f"[credentials.{name}]"
        return make_secret(text, source), source

    def read_file(self, path: str, source: str) -> Secret:
        """The credential in a file that the environment names. Raises `UnusableError`."""
        return make_secret(self._read(Path(path)), source)

    def _read(self, path: Path) -> str:
        self.files.append(path)
        try:
            with path.open("rb") as file:
                return file.read(SECRET_BYTES_MAX).decode("ascii")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not plain text"
            raise UnusableError(f"needs the file {path}, which cannot be read: {reason}") from error


def make_secret(text: str, source: str) -> Secret:
    """A secret fit for a header, or the JSON of a credentials file on one line.

    Raises `UnusableError` if it is empty or has other characters.
    """
    text = text.strip()
    if not text:
        raise UnusableError(f"has no credential: {source} is empty or not set")
    if text.startswith("{"):
        return Secret(squeeze_json(text, source))
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise UnusableError(f"has a credential from {source} that cannot be sent in a header")
    return Secret(text)


def squeeze_json(text: str, source: str) -> str:
    """The JSON of a credentials file on one line. Raises `UnusableError` if it is none."""
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise UnusableError(f"has a credential from {source} that is not whole JSON") from error


def find_providers(
    document: Document,
    env: Mapping[str, str],
    settings: Settings,
    credentials: Credentials,
    problems: Problems,
    warnings: list[str],
) -> Mapping[str, ConfiguredProvider]:
    """The providers in use by the operator's name: those of the file first, then those found."""
    found: dict[str, ConfiguredProvider] = {}
    in_file = read_tables(document, "providers", problems)
    for name, table in in_file.items():
        where = ("providers", name)
        fields = read_fields(ProviderTable, document, where, table, problems)
        if fields is None or not fields.enabled:
            continue
        try:
            found[name] = configure(name, fields, env, settings, credentials)
        except UnusableError as error:
            problems.add(document.where(*where), str(error))
    for provider in PROVIDERS.values():
        if provider.name in in_file or not is_in_environment(provider, env):
            continue
        try:
            found[provider.name] = configure(
                provider.name, ProviderTable(), env, settings, credentials
            )
        except UnusableError as error:
            warnings.append(f"provider {provider.name} is left out: it {error}")
    return found


def is_in_environment(provider: Provider, env: Mapping[str, str]) -> bool:
    """Whether the environment alone is reason enough to use the provider."""
    # A server of one's own needs an address: LLAMA_API_KEY, say, is also another company's.
    address = (provider.base_url_env,) if provider.base_url_env else ()
    names = address if provider.is_credential_optional else provider.credential_env
    return any(env.get(name, "").strip() for name in names)


def configure(
    name: str,
    table: ProviderTable,
    env: Mapping[str, str],
    settings: Settings,
    credentials: Credentials,
) -> ConfiguredProvider:
    """One provider from its table and the environment. Raises `UnusableError`."""
    if not NAME.fullmatch(name):
        raise UnusableError("needs a name of letters, digits, dots, dashes and underscores")
    kind = table.kind or name
    if kind not in PROVIDERS:
        advice = nearest(kind, PROVIDERS) or '; for an address of your own: kind = "compatible"'
        raise UnusableError(f"is like no built-in provider{advice}")
    provider = msgspec.structs.replace(
        limit_operations(PROVIDERS[kind], table.operations), is_state_shared=table.share_state
    )
    base_url, is_own_address = find_base_url(provider, table.base_url, env)
    if base_url is not None:
        check_base_url(base_url, settings)
    secret, source = find_credential(provider, table, env, credentials)
    check_credential(provider, secret, source)
    if secret and not is_own_address and secret.reveal().startswith(PREFIXES[KeyKind.STANDARD]):
        raise UnusableError(f"has a key of Nagara's own as its credential ({source})")
    return ConfiguredProvider(
        name=name,
        provider=provider,
        base_url=base_url,
        credential=secret,
        credential_source=source,
        models=None if table.models is None else tuple(table.models),
        priority=table.priority,
        weight=table.weight,
    )


def limit_operations(provider: Provider, names: list[str] | None) -> Provider:
    """The provider with these of its operations, in this order. Raises `UnusableError`.

    A server that is like another need not have all of it: many have only Chat Completions.
    """
    if names is None:
        return provider
    known = {str(operation): operation for operation in provider.paths}
    for name in names:
        if name not in known:
            advice = nearest(name, known) or f"; it has {', '.join(known)}"
            raise UnusableError(f"has no operation {show(name)}{advice}")
    if not names:
        raise UnusableError(f"needs operations, some of {', '.join(known)}")
    paths = {known[name]: provider.paths[known[name]] for name in names}
    return msgspec.structs.replace(provider, paths=paths)


def find_credential(
    provider: Provider, table: ProviderTable, env: Mapping[str, str], credentials: Credentials
) -> tuple[Secret | None, str]:
    """The credential and its source. Raises `UnusableError` if one is needed and missing."""
    if table.credential is not None:
        return credentials.find(table.credential)
    for variable in provider.credential_env:
        if text := env.get(variable, "").strip():
            return make_secret(text, variable), variable
    if found := find_parts(provider, env):
        return make_secret(":".join(found.values()), " and ".join(found)), " and ".join(found)
    variable = provider.credential_file_env or ""
    if path := env.get(variable, "").strip():
        return credentials.read_file(path, variable), variable
    if provider.is_credential_optional:
        return None, "none"
    raise UnusableError(
        f"has no credential: set {provider.credential_env[0]}, or name one of [credentials]"
    )


def find_parts(provider: Provider, env: Mapping[str, str]) -> Mapping[str, str]:
    """The parts of a credential that is spread over variables; nothing if one is missing."""
    found = {name: env.get(name, "").strip() for name in provider.credential_parts_env}
    *needed, last = found or [""]
    if not found or not all(found[name] for name in needed):
        return {}
    return {name: text for name, text in found.items() if text or name != last}


def check_credential(provider: Provider, secret: Secret | None, source: str) -> None:
    """Raises `UnusableError` for a credential that could only fail when it is first used."""
    auth = provider.choose_auth(secret)
    try:
        if secret is not None and auth is Auth.AWS_SIGV4:
            read_aws_credential(secret.reveal())
        if secret is None or auth is not Auth.GOOGLE_OAUTH:
            return
        file = read_credentials_file(secret.reveal())
    except ValueError as error:
        raise UnusableError(
            f"has a credential from {source} that cannot be used: {error}"
        ) from error
    if file.is_service_account and not can_sign():
        raise UnusableError(MISSING_EXTRA)


def find_base_url(
    provider: Provider, declared: str | None, env: Mapping[str, str]
) -> tuple[str | None, bool]:
    """The address, and whether it was set here. Raises `UnusableError` without one."""
    variable = provider.base_url_env
    from_env = env.get(variable, "").strip() if variable else ""
    if own := declared or from_env:
        return own.rstrip("/"), True
    if provider.transport is Transport.SANDBOX:
        return None, False
    template = choose_base_url(provider, env)
    if template is None:
        raise UnusableError("needs a base_url")
    return fill_placeholders(provider, template, env), False


def choose_base_url(provider: Provider, env: Mapping[str, str]) -> str | None:
    """The template of the address that the environment calls for."""
    for condition, base_url in provider.base_url_variants.items():
        variable, _, wanted = condition.partition("=")
        value = env.get(variable, "").strip() or provider.base_url_defaults.get(variable, "")
        if value == wanted:
            return base_url
    return provider.base_url


def fill_placeholders(provider: Provider, template: str, env: Mapping[str, str]) -> str:
    """A base URL with `{NAME}` replaced. Raises `UnusableError` if one has no value."""
    for variable in PLACEHOLDER.findall(template):
        value = env.get(variable, "").strip() or provider.base_url_defaults.get(variable)
        if not value:
            raise UnusableError(f"has no address: set {variable} or {provider.base_url_env}")
        template = template.replace(f"{{{variable}}}", value.rstrip("/"))
    return template


def check_base_url(base_url: str, settings: Settings) -> None:
    """Raises `UnusableError` unless it is a plain HTTP address other than this gateway's own."""
    try:
        parts = urlsplit(base_url)
        host = parts.hostname
    except ValueError as error:
        raise UnusableError("has a base_url that is not an address") from error
    is_plain = base_url.isascii() and base_url.isprintable() and " " not in base_url
    if parts.scheme not in ("http", "https") or not host or not is_plain:
        raise UnusableError("needs a base_url that begins with http:// or https:// and a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise UnusableError("needs a base_url without a password, query or fragment")
    try:
        origin = read_base_url(base_url).origin
    except ValueError as error:
        raise UnusableError("has a base_url with a host or port that there cannot be") from error
    if origin.port == settings.port and is_own_host(host, settings.host):
        raise UnusableError(
            f"has this gateway's own address, {host}:{origin.port}, as base_url: a loop. "
            "Start the gateway where its clients' variables are not set"
        )


def is_own_host(host: str, listening: str) -> bool:
    """Whether a client that calls `host` may reach a server that listens on `listening`."""
    if host == listening:
        return True
    near = host in LOOPBACK_HOSTS or host in WILDCARD_HOSTS
    return near and (listening in LOOPBACK_HOSTS or listening in WILDCARD_HOSTS)


def find_local_servers(
    settings: Settings, env: Mapping[str, str], credentials: Credentials, problems: Problems
) -> Iterator[ConfiguredProvider]:
    """The local servers that the settings say to look for; whether they answer is not known."""
    local = {p.name: p for p in PROVIDERS.values() if p.is_credential_optional and p.base_url}
    for name in settings.discover_local_servers:
        if name not in local:
            advice = nearest(name, local) or f": known are {', '.join(local)}"
            problems.add(f"discover_local_servers: {name!r}", f"is no local server{advice}")
            continue
        try:
            yield configure(name, ProviderTable(), env, settings, credentials)
        except UnusableError as error:
            problems.add(f"discover_local_servers: {name!r}", str(error))
