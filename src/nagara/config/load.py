"""Loading a configuration, whole or not at all.

`load_config` reads what it is given and nothing else: no environment of its own, no network. The
same arguments and files always give the same `Config`.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from nagara.config.document import Document, read_document
from nagara.config.models import read_aliases, read_models
from nagara.config.providers import Credentials, find_local_servers, find_providers
from nagara.config.tables import Problems
from nagara.config.values import read_values
from nagara.domain.catalog import ConfiguredProvider, Secret
from nagara.domain.configuration import ConfigError, Declared
from nagara.settings import CONFIG_VARIABLE, TABLE, Settings, SettingValue
from nagara.storage.bounds import PostgresBounds
from nagara.storage.data_folder import database_path
from nagara.storage.database import Database

FILE_NAME = "nagara.toml"
HERE = Path("data")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was configured. `sources` says for each setting where its value came from.

    `local_servers` are to be looked for at start, and used if they answer. `files` are those it
    was read from, besides `path`: they are watched too.
    """

    path: Path | None
    settings: Settings
    sources: Mapping[str, str]
    declared: Declared
    local_servers: tuple[ConfiguredProvider, ...] = ()
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def find_path(option: str | None, env: Mapping[str, str], folder: Path) -> Path | None:
    """The configuration file: the option's, NAGARA_CONFIG's, or a nagara.toml in `folder`."""
    if named := option or env.get(CONFIG_VARIABLE, "").strip():
        return Path(named)
    usual = folder / FILE_NAME
    return usual if usual.is_file() else None


def find_data_folder(data: str, env: Mapping[str, str]) -> Path:
    """The folder that the setting `data` means: itself, or when it is empty the usual place.

    That is `data` in the current folder where a gateway has begun there, as `make serve` does, and
    else the user's own place for data.
    """
    if data:
        return Path(data)
    if database_path(HERE).is_file():
        return HERE
    home = env.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "nagara"


def read_database(path: Path | None, env: Mapping[str, str], option: str | None) -> Database:
    """The database alone, for commands that need no more and must work beside a broken rest.

    Raises `ConfigError` if the file cannot be read at all.
    """
    return find_database(read_settings(path, env, option), env)


def read_settings(path: Path | None, env: Mapping[str, str], data: str | None = None) -> Settings:
    """The settings alone, each that is wrong as if it were not there. Raises as `read_database`."""
    document = Document() if path is None else read_document(path)
    values, _ = read_values(document, env, {"data": data}, Problems(), [])
    return _build_settings(values)


def find_database(settings: Settings, env: Mapping[str, str]) -> Database:
    """The database that the settings mean."""
    return Database(
        folder=find_data_folder(settings.data, env),
        url=Secret(settings.database_url) if settings.database_url else None,
        poll_s=settings.key_check_ms / 1000,
        bounds=PostgresBounds(
            connect_timeout_s=settings.storage_connect_timeout_s,
            timeout_s=settings.storage_timeout_s,
            readers_max=settings.storage_readers_max,
            reads_waiting_max=settings.storage_reads_waiting_max,
            commits_waiting_max=settings.storage_commits_waiting_max,
        ),
    )


def _build_settings(values: Mapping[str, SettingValue]) -> Settings:
    return Settings(**{name: values[name] for name in TABLE})  # type: ignore[arg-type]


def load_config(
    path: Path | None,
    env: Mapping[str, str],
    options: Mapping[str, SettingValue | None] | None = None,
) -> Config:
    """The configuration of a file, an environment and command-line options.

    `options` are settings by name (`host`, `port`, `data`); None is not given. Raises
    `ConfigError` with everything that is wrong at once.
    """
    document = Document() if path is None else read_document(path)
    problems, warnings = Problems(), list[str]()
    values, sources = read_values(document, env, options or {}, problems, warnings)
    settings = _build_settings(values)
    credentials = Credentials(document, env, problems)
    providers = find_providers(document, env, settings, credentials, problems, warnings)
    local_servers = tuple(find_local_servers(settings, env, credentials, problems))
    declared = Declared(
        providers=providers,
        models=read_models(document, providers, credentials, problems),
        aliases=read_aliases(document, problems),
    )
    if problems.found:
        raise ConfigError(problems.found)
    return Config(
        path=path,
        settings=settings,
        sources=sources,
        declared=declared,
        local_servers=tuple(server for server in local_servers if server.name not in providers),
        warnings=(*credentials.warnings, *warnings),
        files=tuple(credentials.files),
    )
