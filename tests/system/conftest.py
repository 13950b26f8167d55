"""Clients of the gateway that a test module starts, as its fixture `gateway`."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.system.gateway import GatewayProcess


@pytest.fixture(name="openai_client")
def make_openai_client(gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    """OpenAI's client, with base URL and key changed and nothing else."""
    with openai.OpenAI(base_url=gateway.openai_url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture(name="anthropic_client")
def make_anthropic_client(gateway: GatewayProcess) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client, with base URL and key changed and nothing else."""
    with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client
