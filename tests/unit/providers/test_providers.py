"""Every provider is data that holds together."""

from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import nagara.providers
from nagara.domain.catalog import Deployment, Operation, Provider, Transport
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import can_serve, spoken_operations
from nagara.providers import PROVIDERS, SANDBOX

FILES = {
    path.stem
    for path in Path(nagara.providers.__file__).parent.glob("*.py")
    if path.stem != "__init__"
}
REMOTE = [p for p in PROVIDERS.values() if p.transport is Transport.HTTP]


def address(name: str, operation: Operation, base_url: str | None = None) -> str | None:
    deployment = Deployment(name=name, provider=PROVIDERS[name], model="m", base_url=base_url)
    return deployment.address(operation)


def test_every_file_is_a_provider_of_its_own_name() -> None:
    assert set(PROVIDERS) == FILES
    assert all(name == provider.name for name, provider in PROVIDERS.items())


@pytest.mark.parametrize("provider", REMOTE, ids=lambda p: p.name)
def test_provider_can_be_reached(provider: Provider) -> None:
    assert provider.paths
    for operation in provider.paths:
        base = provider.base_url or "https://host.example/root"
        base = base.replace("{AZURE_OPENAI_ENDPOINT}", "https://x.example").format(
            **{**provider.base_url_defaults, "GOOGLE_CLOUD_PROJECT": "p"}
        )
        url = address(provider.name, operation, base)
        assert url is not None
        parts = urlsplit(url)
        assert parts.scheme in ("http", "https")
        assert parts.netloc
        assert ".." not in parts.path
        assert "//" not in parts.path


@pytest.mark.parametrize("provider", REMOTE, ids=lambda p: p.name)
def test_provider_has_its_credential_and_address_in_the_environment(provider: Provider) -> None:
    is_compatible = provider.base_url is None
    assert is_compatible or provider.credential_env
    assert is_compatible or provider.base_url_env
    assert provider.homepage.startswith("https://")


def test_no_two_providers_share_a_variable() -> None:
    variables = [
        name
        for provider in PROVIDERS.values()
        for name in (*provider.credential_env, provider.base_url_env)
        if name
    ]
    assert len(variables) == len(set(variables))


def test_sandbox_serves_every_endpoint_and_needs_nothing() -> None:
    deployment = Deployment(name="sandbox", provider=SANDBOX, model="m")
    # What is only counted is estimated, there as for any provider that cannot.
    served = (e for e in ENDPOINTS.values() if e.operation is not Operation.COUNT_CONTENT_TOKENS)
    assert all(can_serve(deployment, endpoint) for endpoint in served)
    assert SANDBOX.transport is Transport.SANDBOX
    assert SANDBOX.is_credential_optional


@pytest.mark.parametrize(
    ("name", "operation", "url"),
    [
        ("openai", Operation.CHAT, "https://api.openai.com/v1/chat/completions"),
        ("openai", Operation.RESPONSES, "https://api.openai.com/v1/responses"),
        ("anthropic", Operation.MESSAGES, "https://api.anthropic.com/v1/messages"),
        (
            "anthropic",
            Operation.COUNT_TOKENS,
            "https://api.anthropic.com/v1/messages/count_tokens",
        ),
        ("deepseek", Operation.MESSAGES, "https://api.deepseek.com/anthropic/v1/messages"),
        ("zai", Operation.MESSAGES, "https://api.z.ai/api/anthropic/v1/messages"),
        ("moonshot", Operation.MESSAGES, "https://api.moonshot.ai/anthropic/v1/messages"),
        (
            "google",
            Operation.GENERATE_CONTENT,
            "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
        ),
        (
            "google",
            Operation.COUNT_CONTENT_TOKENS,
            "https://generativelanguage.googleapis.com/v1beta/models/m:countTokens",
        ),
        (
            "google",
            Operation.EMBEDDINGS,
            "https://generativelanguage.googleapis.com/v1beta/models/m:batchEmbedContents",
        ),
        ("together", Operation.CHAT, "https://api.together.ai/v1/chat/completions"),
        ("perplexity", Operation.RESPONSES, "https://api.perplexity.ai/v1/responses"),
        ("ollama", Operation.MESSAGES, "http://localhost:11434/v1/messages"),
    ],
)
def test_address_is_the_documented_one(name: str, operation: Operation, url: str) -> None:
    assert address(name, operation) == url


@pytest.mark.parametrize(
    ("model", "spoken"),
    [
        ("gpt-5.4", [Operation.RESPONSES, Operation.CHAT]),
        ("gpt-5.4-pro", [Operation.RESPONSES]),
        ("gpt-5.3-codex", [Operation.RESPONSES]),
        ("o3-pro-2025-06-10", [Operation.RESPONSES]),
        ("gpt-audio-1.5", [Operation.CHAT]),
        ("gpt-4o-search-preview", [Operation.CHAT]),
        ("gpt-daybreak-blue-latest", [Operation.RESPONSES]),
        ("gpt-5.6-cyber", [Operation.RESPONSES]),
        ("gpt-6-rosalind", [Operation.RESPONSES]),
        ("gpt-6.2-astra-law", [Operation.RESPONSES]),
    ],
)
def test_model_is_asked_in_the_dialects_that_it_has(model: str, spoken: list[Operation]) -> None:
    assert spoken_by("openai", model) == spoken


@pytest.mark.parametrize(
    ("model", "spoken"),
    [
        ("gpt-5.4", [Operation.RESPONSES, Operation.CHAT]),
        ("gpt-4o-mini", [Operation.RESPONSES, Operation.CHAT]),
        ("gpt-4.1", [Operation.RESPONSES, Operation.CHAT]),
        ("gpt-5.1-codex-mini", [Operation.RESPONSES]),
        ("gpt-5.4-pro", [Operation.RESPONSES]),
        ("gpt-4-turbo", [Operation.CHAT]),
        ("gpt-35-turbo", [Operation.CHAT]),
        ("o1-mini", [Operation.CHAT]),
        ("gpt-audio-1.5", [Operation.CHAT]),
        ("Llama-3.3-70B-Instruct", [Operation.RESPONSES, Operation.CHAT]),
        ("Meta-Llama-3.1-405B-Instruct", [Operation.CHAT]),
        ("DeepSeek-V3.2", [Operation.RESPONSES, Operation.CHAT]),
        ("Codestral-2501", [Operation.CHAT]),
        ("FW-Kimi-K2.5", [Operation.CHAT]),
    ],
)
def test_azure_asks_a_model_in_the_dialects_that_it_has_there(
    model: str, spoken: list[Operation]
) -> None:
    assert spoken_by("azure", model) == spoken


def spoken_by(name: str, model: str) -> list[Operation]:
    deployment = Deployment(name=name, provider=PROVIDERS[name], model=model)
    # A caller of a third dialect is translated to the first of them.
    return list(spoken_operations(deployment, Operation.MESSAGES))


@pytest.mark.parametrize("provider", REMOTE, ids=lambda p: p.name)
def test_facts_of_a_provider_name_the_pages_that_they_rest_on(provider: Provider) -> None:
    if provider.base_url is None:
        assert provider.evidence is None
        return
    assert provider.evidence is not None
    assert provider.evidence.pages
    assert all(page.startswith("https://") for page in provider.evidence.pages)
    assert date.fromisoformat(provider.evidence.checked_on)


def test_base_url_of_ones_own_replaces_the_providers() -> None:
    assert address("openai", Operation.CHAT, "http://x:1/v1/") == "http://x:1/v1/chat/completions"


def test_operation_that_the_provider_lacks_has_no_address() -> None:
    assert address("anthropic", Operation.CHAT) is None
    assert address("compatible", Operation.CHAT) is None
