"""The gateway set before the replay: `python -m tests.recordings.gateway serve …` runs it.

Every API and wire format of the recordings gets a provider of its own: the API's file in
`nagara.providers`, with its quirks, but with that one operation, so that a recording of Responses
is asked for as Responses even where the provider has chat too. Adding rows to the table of
providers is all that is done to the gateway; the rest is configuration, as an operator writes it.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from tests.recordings.exchanges import WIRES
from tests.system.gateway import GatewayProcess, name_variables

from nagara.cli import main as run_nagara
from nagara.domain.catalog import Auth, Operation, Provider
from nagara.providers import PROVIDERS

API_FILES: Final = {"bedrock-mantle": "compatible", "crusoe": "compatible"}
"""Recorded APIs whose provider file has another name than the recordings'."""
CREDENTIAL: Final = "RECORDED_CREDENTIAL"
NAMES: Final = "RECORDED_PROVIDERS"
TOKEN_AUTHS: Final = frozenset({"BEARER", "X_API_KEY", "API_KEY", "X_GOOG_API_KEY"})
SETTINGS: Final[Mapping[str, object]] = {
    "log_level": "error",
    # What an address leads to was not recorded.
    "fetch_files_max": 0,
}


def make_providers(names: Iterable[str]) -> Iterator[Provider]:
    """The providers of these names, each an API's and a wire format's (`groq-chat`)."""
    wires = {wire.name: wire for wire in WIRES}
    for full_name in names:
        api, _, name = full_name.rpartition("-")
        wire = wires[name]
        operation = Operation[wire.operation]
        # An API whose file does not speak this format, Azure's Messages say, is a compatible one.
        provider = PROVIDERS.get(API_FILES.get(api, api), PROVIDERS["compatible"])
        yield msgspec.structs.replace(
            provider,
            name=full_name,
            paths={operation: provider.paths.get(operation, wire.default_path)},
            # What was recorded shows that the model has it.
            models_without={},
            stream_paths={o: p for o, p in provider.stream_paths.items() if o is operation},
            base_url=None,
            base_url_env=None,
            credential_env=(CREDENTIAL,),
            auth=provider.auth if provider.auth.name in TOKEN_AUTHS else Auth.BEARER,
        )


def write_configuration(path: Path, models: Mapping[str, str], upstream_url: str) -> None:
    """The TOML that an operator would write: models, each with its provider."""
    # Searches and the like have no price with these models.
    lines = ["[billing]", 'unpriced_models = "free"']
    for name in sorted(set(models.values())):
        lines += [f'[providers."{name}"]', f"base_url = {json.dumps(upstream_url)}"]
    for model, provider in models.items():
        lines += [
            f'[models."{model}"]',
            'prices = { input_mtok = "1", output_mtok = "1" }',
            f'deployments = [{{ provider = "{provider}", model = "{model}" }}]',
        ]
    path.write_text("\n".join(lines) + "\n")


class RecordedGateway(GatewayProcess):
    """The gateway of this module, as a process."""

    command = (sys.executable, "-m", "tests.recordings.gateway")


@contextmanager
def start(folder: Path, models: Mapping[str, str], upstream_url: str) -> Iterator[RecordedGateway]:
    """A gateway on its first start whose providers are all at `upstream_url`."""
    configuration = folder / "nagara.toml"
    write_configuration(configuration, models, upstream_url)
    names = " ".join(sorted(set(models.values())))
    environment = {CREDENTIAL: "recorded", NAMES: names} | name_variables(SETTINGS)
    arguments = ("--config", str(configuration))
    with RecordedGateway(folder / "data", environment, *arguments) as gateway:
        yield gateway


def main() -> None:
    """Run `nagara` with the recordings' providers beside its own."""
    for provider in make_providers(os.environ[NAMES].split()):
        PROVIDERS[provider.name] = provider  # type: ignore[index]
    run_nagara()


if __name__ == "__main__":
    main()
