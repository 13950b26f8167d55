"""A gateway with every provider in use, all of them at one scripted upstream."""

import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.conformance.providers.upstream import Scene, Upstream, listening
from tests.system.gateway import GatewayProcess

from nagara.domain.catalog import Provider, Transport
from nagara.providers import PROVIDERS

REMOTE = [p for p in PROVIDERS.values() if p.transport is Transport.HTTP]
THEIR_MODEL = "their/model:1 ü"
"""What the providers call the model: in a path, all that is odd in it has to be escaped."""

THEIR_TEXT_MODEL = "cohere.embed-v4:0 ü"
"""The same for what is no conversation: Bedrock's models say by their names what they take."""


THEIR_RANKER = "cohere.rerank-v4:0 ü"
THEIR_PAINTER = "gemini-9-image:0 ü"
THEIR_VOICE = "gemini-3.8-tts:0 ü"
THEIR_EAR = "gemini-3.5-transcribe:0 ü"
THEIR_TRANSLATOR = "gemini-3.8:0 ü"
SOUND = {"voice": THEIR_VOICE, "ear": THEIR_EAR, "translator": THEIR_TRANSLATOR}


def credential_of(provider: Provider) -> str:
    """What is configured for it, each its own, so that one cannot pass for another."""
    return f"credential-of-{provider.name}-0123456789"


def base_path(provider: Provider) -> str:
    """The path of its base URL, below a folder of the upstream that is the provider's."""
    path = urlsplit(provider.base_url or "/v1").path
    return f"/{provider.name}{path.replace('{GOOGLE_CLOUD_PROJECT}', 'p')}".replace(
        "{GOOGLE_CLOUD_LOCATION}", "global"
    )


def configure(port: int) -> str:
    """The TOML of an operator who has them all."""
    lines = ["[billing]", 'unpriced_models = "free"']
    for provider in REMOTE:
        name = provider.name
        url = f"http://127.0.0.1:{port}{base_path(provider)}"
        lines += [
            f"[credentials.{name}]",
            f"env = {json.dumps(variable_of(provider))}",
            f"[providers.{name}]",
            f"base_url = {json.dumps(url)}",
            f"credential = {json.dumps(name)}",
            f'[models."our-{name}"]',
            f"deployments = [{{ provider = {json.dumps(name)}, "
            f"model = {json.dumps(THEIR_MODEL, ensure_ascii=False)} }}]",
            f'[models."text-{name}"]',
            f"deployments = [{{ provider = {json.dumps(name)}, "
            f"model = {json.dumps(THEIR_TEXT_MODEL, ensure_ascii=False)} }}]",
            f'[models."rank-{name}"]',
            f"deployments = [{{ provider = {json.dumps(name)}, "
            f"model = {json.dumps(THEIR_RANKER, ensure_ascii=False)} }}]",
            f'[models."draw-{name}"]',
            f"deployments = [{{ provider = {json.dumps(name)}, "
            f"model = {json.dumps(THEIR_PAINTER, ensure_ascii=False)} }}]",
            f'[models."draw-{name}".prices]',
            'image = "1"',
        ]
        for kind, model in SOUND.items():
            lines += [
                f'[models."{kind}-{name}"]',
                f"deployments = [{{ provider = {json.dumps(name)}, "
                f"model = {json.dumps(model, ensure_ascii=False)} }}]",
            ]
    return "\n".join(lines)


def variable_of(provider: Provider) -> str:
    return f"SCRIPTED_{provider.name.upper()}"


class Stage(NamedTuple):
    """The gateway and who plays its providers."""

    gateway: GatewayProcess
    upstream: Upstream

    def play(self, scene: Scene) -> None:
        """What is answered from now on; what was asked is forgotten."""
        self.upstream.scene = scene
        self.upstream.asked.clear()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("providers")
    with listening() as upstream:
        config = folder / "nagara.toml"
        config.write_text(configure(upstream.server_port))
        environment = {variable_of(p): credential_of(p) for p in REMOTE}
        arguments = ("--config", str(config))
        with GatewayProcess(folder / "data", environment, *arguments) as gateway:
            yield Stage(gateway, upstream)
            assert "Traceback" not in gateway.output, gateway.output
            assert not [p.name for p in REMOTE if credential_of(p) in gateway.output]
