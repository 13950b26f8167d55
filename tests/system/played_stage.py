"""A gateway with a model on each played provider, each speaking one dialect alone."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.system.gateway import GatewayProcess
from tests.system.providers.process import ProviderProcess
from tests.system.providers.server import CREDENTIAL


class Place(NamedTuple):
    """How a played provider is configured: as a user would a server of that kind."""

    kind: str
    base_path: str
    operation: str
    model: str


PROMPT: Final = "Make the two files, and tell me what is in them."
"""What agents are asked; the played providers then have them run their tools."""

PLACES: Final = {
    "chat": Place("compatible", "/v1", "chat.completions", "their-model-2"),
    "deepseek": Place("deepseek", "", "chat.completions", "deepseek-reasoner"),
    "responses": Place("openai", "/v1", "responses", "gpt-5.2"),
    "messages": Place("anthropic", "", "messages", "claude-opus-4-5"),
    "gemini": Place("google", "/v1beta", "generate_content", "gemini-3-pro-preview"),
}

PROVIDER: Final = """
[providers.{name}]
kind = "{place.kind}"
base_url = "{url}{place.base_path}"
credential = "played"
operations = ["{place.operation}"]

[models.{model}]
prices = {{ input_mtok = "1", output_mtok = "2", search = "0.01" }}
deployments = [{{ provider = "{name}", model = "{place.model}" }}]
"""


class PlayedStage(NamedTuple):
    """The gateway, and the providers by name."""

    gateway: GatewayProcess
    providers: Mapping[str, ProviderProcess]


def model_on(provider: str) -> str:
    """The caller's name of the model on that provider."""
    return f"on-{provider}"


@contextmanager
def played_stage(folder: Path) -> Iterator[PlayedStage]:
    """All of it, until the block is left."""
    with ExitStack() as stack:
        providers = {name: stack.enter_context(ProviderProcess(name)) for name in PLACES}
        text = '[credentials.played]\nenv = "PLAYED_CREDENTIAL"\n' + "".join(
            PROVIDER.format(name=name, place=place, url=providers[name].url, model=model_on(name))
            for name, place in PLACES.items()
        )
        config = folder / "nagara.toml"
        config.write_text(text)
        environment = {"PLAYED_CREDENTIAL": CREDENTIAL}
        gateway = stack.enter_context(
            GatewayProcess(folder / "data", environment, "--config", str(config))
        )
        yield PlayedStage(gateway, providers)
        assert "Traceback" not in gateway.output, gateway.output


def has_thought(answer: dict[str, Any]) -> bool:
    """Whether a played provider's answer holds reasoning that it will want back."""
    return any(mark in str(answer) for mark in ("reasoning_content", "encrypted_content",
                                                "signature", "thoughtSignature"))  # fmt: skip
