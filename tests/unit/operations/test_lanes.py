"""The way to a deployment: which dialect is spoken, and what a refusal calls it."""

import json

import pytest

from nagara.domain.catalog import Deployment, Operation
from nagara.domain.errors import GatewayError
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import Asking, choose_lane, next_lane
from nagara.providers import PROVIDERS


def asking(path: str, **fields: object) -> Asking:
    endpoint = ENDPOINTS[path]
    return Asking(
        endpoint=endpoint,
        view=endpoint.read_request(json.dumps({"model": "m", **fields}).encode()),
        request_id="r",
        seed="0",
        now_s=0,
        is_enveloped=False,
        recall=lambda key: None,
    )


def deployment(of: str, name: str | None = None) -> Deployment:
    return Deployment(name=name or of, provider=PROVIDERS[of], model="m")


@pytest.mark.parametrize(
    ("name", "told"), [("anthropic", "Anthropic (m)"), ("claude-eu", "claude-eu (m)")]
)
def test_refusal_calls_a_provider_as_its_operator_does(name: str, told: str) -> None:
    wanted = asking("/v1/chat/completions", messages=[{"role": "user", "content": "Hi"}], n=2)
    with pytest.raises(GatewayError) as caught:
        choose_lane(wanted, deployment("anthropic", name))
    assert caught.value.message.startswith(told)


def test_next_lane_is_in_another_dialect_or_there_is_none() -> None:
    server = deployment("compatible").without(Operation.RESPONSES)
    lane = next_lane(asking("/v1/responses", input="Hi"), server)
    assert lane is not None
    assert lane.operation is Operation.CHAT
    assert next_lane(asking("/v1/responses", prompt={"id": "p"}), server) is None
    only_numbers = server.without(Operation.CHAT).without(Operation.EMBEDDINGS)
    assert next_lane(asking("/v1/embeddings", input="Hi"), only_numbers) is None
    assert next_lane(asking("/v1/responses", input="Hi"), only_numbers) is None


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("/v1/responses", {"input": "Hi"}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}),
        ("/v1/embeddings", {"input": "Hi"}),
    ],
)
def test_no_provider_is_told_of_another_model_than_is_paid_for(
    path: str, fields: dict[str, object]
) -> None:
    wanted = asking(path, **fields, models=["dear"])
    with pytest.raises(GatewayError, match="another model") as caught:
        choose_lane(wanted, deployment("openrouter"))
    assert caught.value.param == "models"
    assert choose_lane(asking(path, **fields, models=None), deployment("openrouter"))


@pytest.mark.parametrize("of", ["perplexity", "compatible"])
def test_others_that_would_heed_another_model_are_not_told_of_it_either(of: str) -> None:
    with pytest.raises(GatewayError, match="another model"):
        choose_lane(asking("/v1/responses", input="Hi", models=["dear"]), deployment(of))
