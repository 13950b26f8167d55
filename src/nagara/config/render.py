"""The table as an example file and as documentation: both made from it, so neither can be wrong.

In the example, `# ` stands before what has the default's value, and `## ` before what is only an
example. Without the single marks the file loads and changes nothing.
"""

import json
import typing
from collections.abc import Iterator

import msgspec
from msgspec import Meta

from nagara.config.tables import (
    CredentialTable,
    DeploymentTable,
    ImagePriceTable,
    ModelTable,
    PricesTable,
    ProviderTable,
    ServiceTable,
    TierTable,
    describe,
)
from nagara.domain.catalog import Provider
from nagara.providers import PROVIDERS
from nagara.settings import SECTIONS, TABLE, Setting, SettingValue

EXAMPLE_TABLES = """\
[providers.openai]              # a built-in provider; the environment's credential if not named
credential = "openai-main"
models = ["gpt-4.1-mini"]       # only these; all that the catalogue knows of if left out

[providers.my-vllm]             # any other name needs a kind
kind = "compatible"
base_url = "http://10.0.0.5:8000/v1"
models = ["llama-3.3-70b"]

[credentials.openai-main]
env = "OPENAI_API_KEY"          # or: file = "/run/secrets/openai"

[models."my-model"]             # a public name of one's own
display_name = "My model"
context_window = 128000
output_tokens_max = 8192
aliases = ["mine"]
prices = { input_mtok = "0.10", output_mtok = "0.40", cache_read_mtok = "0.025" }
deployments = [
  { provider = "my-vllm", model = "llama-3.3-70b", priority = 0 },
  { provider = "openai", model = "gpt-4.1-mini", priority = 1, weight = 1 },
]

[[models."another-model".prices]]  # prices from a day on; the ones before it count until then
effective_from = 2027-01-01
input_mtok = "1.25"
output_mtok = "10"
search = "0.01"                     # one web search
tiers = [{ input_tokens_above = 200000, input_mtok = "2.50", output_mtok = "15" }]
service_tiers.flex = { multiple = "0.5" }

[models."my-painter".prices]       # images by what they are; image for those that none fits
image = "0.04"
images = [{ size = "1024x1792", quality = "hd", price = "0.12" }, { size = "4K", price = "0.15" }]

[aliases]
fast = "gpt-4.1-mini"
"""

TABLES: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("[providers.NAME]", ProviderTable),
    ("[credentials.NAME]", CredentialTable),
    ("[models.NAME]", ModelTable),
    ("prices of a model", PricesTable),
    ("tiers of prices", TierTable),
    ("service_tiers of prices", ServiceTable),
    ("images of prices", ImagePriceTable),
    ("deployments of a model", DeploymentTable),
)


def encode_value(value: SettingValue) -> str:
    """A setting's value as TOML."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def render_example() -> str:
    """A TOML file with every setting at its default, and the tables, all as comments."""
    return "\n".join(_example_lines()) + "\n"


def _example_lines() -> Iterator[str]:
    yield "## Nagara's configuration. Take away the # before a line to set something else there;"
    yield "## the lines with ## are explanations and examples. NAGARA_ and the name in capitals,"
    yield "## such as NAGARA_PORT, sets the same in the environment, and wins."
    for section, help_ in SECTIONS.items():
        yield f"\n## {help_}"
        yield f"# [{section}]"
        for setting in settings_of(section):
            yield f"## {setting.row.help} ({setting.allowed})"
            yield f"# {setting.name} = {encode_value(setting.default)}"
    yield "\n## Providers, credentials, models and aliases, for example:"
    for line in EXAMPLE_TABLES.splitlines():
        yield f"## {line}".rstrip()


def settings_of(section: str) -> list[Setting]:
    """The settings of a section, in the table's order."""
    return [setting for setting in TABLE.values() if setting.row.section == section]


def render_documentation() -> str:
    """The reference of the configuration, as Markdown."""
    return "\n".join(_documentation_lines()) + "\n"


def _documentation_lines() -> Iterator[str]:
    yield INTRODUCTION
    for section, help_ in SECTIONS.items():
        yield f"\n### [{section}]\n\n{help_}\n"
        yield "| setting | default | allowed | what for | reload |"
        yield "|---|---|---|---|---|"
        for setting in settings_of(section):
            reload_ = "applies" if setting.row.is_live else "at the next start"
            cells = (f"`{setting.name}`", f"`{encode_value(setting.default)}`", setting.allowed)
            yield f"| {' | '.join(cells)} | {setting.row.help} | {reload_} |"
    yield f"\n## Providers, credentials, models, aliases\n\n```toml\n{EXAMPLE_TABLES}```"
    for title, table in TABLES:
        yield from _table_lines(title, table)
    yield '\n`[aliases]` holds other names for model ids: `name = "id"`.\n'
    yield "## Built-in providers\n\nWhat these rest on is told in [providers.md](providers.md).\n"
    yield "| name | provider | credential | address | operations |\n|---|---|---|---|---|"
    for provider in PROVIDERS.values():
        yield _provider_line(provider)


def _table_lines(title: str, table: type[msgspec.Struct]) -> Iterator[str]:
    yield f"\n### {title}\n\n| field | takes | what for |\n|---|---|---|"
    hints = typing.get_type_hints(table, include_extras=True)
    for name, hint in hints.items():
        help_ = next(
            m.description for m in hint.__metadata__ if isinstance(m, Meta) and m.description
        )
        yield f"| `{name}` | {describe(hint)} | {help_} |"


def _provider_line(provider: Provider) -> str:
    credential = " or ".join(_credential_sources(provider)) or "none"
    variable = f" (`{provider.base_url_env}`)" if provider.base_url_env else ""
    address = f"`{provider.base_url}`{variable}" if provider.base_url else "none"
    whom = (
        f"[{provider.display_name}]({provider.homepage})"
        if provider.homepage
        else provider.display_name
    )
    operations = ", ".join(provider.paths)
    return f"| `{provider.name}` | {whom} | {credential} | {address} | {operations} |"


def _credential_sources(provider: Provider) -> Iterator[str]:
    yield from (f"`{name}`" for name in provider.credential_env)
    if provider.credential_parts_env:
        yield " with ".join(f"`{name}`" for name in provider.credential_parts_env)
    if provider.credential_file_env:
        yield f"the file `{provider.credential_file_env}`"


INTRODUCTION = """\
# Configuration

*Made from the code by `make docs`; a test holds it to that.*

Nothing has to be configured. What there is comes from a TOML file, then from the environment, then
from the command line; later ones win.

- The file is `--config`, or `NAGARA_CONFIG`, or `nagara.toml` in the current folder.
- A setting `port` is `NAGARA_PORT` in the environment; a list is separated by commas there.
- `--host`, `--port` and `--data` are options of `nagara serve`.
- `nagara config check` shows every value with its source; `nagara config example` prints a file.
- `nagara doctor` looks whether a gateway can start and work with it: folder, database, secret,
  clock, address, credentials; with `--reach` it asks each provider too.
- The file and the credential files it names are watched. A change is taken whole or not at all: a
  broken edit is said in the log, and what is running goes on.
- An unknown key is an error that names the nearest known one.

A built-in provider is in use if its credential is in the environment, or if the file names it. With
none in use, the sandbox answers for every model. `provider/model` asks for one provider only, such
as `openai/gpt-4.1-mini`; a server of one's own, such as Ollama, takes any name: `ollama/llama3.2`.
`sandbox/` in front of a model id is always answered by the sandbox.

## Settings"""
