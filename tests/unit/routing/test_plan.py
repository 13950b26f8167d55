"""The order in which deployments are tried."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nagara.domain.catalog import Deployment, Model, Route
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.operations import ENDPOINTS
from nagara.providers import PROVIDERS
from nagara.routing.plan import plan

CHAT = ENDPOINTS["/v1/chat/completions"]
EMBEDDINGS = ENDPOINTS["/v1/embeddings"]
MODEL = Model(id="mini", startup="openai", display_name="Mini")


def deployment(name: str, priority: int = 0, weight: int = 1, of: str = "openai") -> Deployment:
    provider = PROVIDERS[of]
    return Deployment(name=name, provider=provider, model="m", priority=priority, weight=weight)


def names(*deployments: Deployment, draw: float = 0.0) -> list[str]:
    return [d.name for d in plan(Route(MODEL, deployments), CHAT, draw)]


def test_lower_priority_comes_first_and_none_is_lost() -> None:
    assert names(deployment("c", 2), deployment("a", 0), deployment("b", 1)) == ["a", "b", "c"]


@given(st.lists(st.integers(0, 10), min_size=1, max_size=6), st.integers(0, 999))
def test_share_of_each_is_its_weight_exactly(weights: list[int], draw: int) -> None:
    among = [deployment(str(i), weight=weight) for i, weight in enumerate(weights)]
    chosen = names(*among, deployment("later", 1, 100), draw=draw / 1000)
    assert sorted(chosen) == sorted([*(d.name for d in among), "later"])
    assert chosen[-1] == "later"
    total, point = sum(weights), Fraction(draw / 1000)
    if total:
        first = int(chosen[0])
        below = Fraction(sum(weights[:first]), total)
        # The draw is a float: at the very edge its product may fall on either side.
        nearly = Fraction(1, 10**12)
        assert below - nearly <= point < below + Fraction(weights[first], total) + nearly


def test_one_deployment_needs_no_draw() -> None:
    assert names(deployment("a", weight=0), draw=0.999) == ["a"]


def test_deployment_without_the_operation_is_left_out() -> None:
    both = (deployment("claude", of="anthropic"), deployment("a", 5))
    planned = plan(Route(MODEL, both), EMBEDDINGS, 0.0)
    assert [d.name for d in planned] == ["a"]


def test_conversation_goes_to_whoever_speaks_any_dialect() -> None:
    both = (deployment("claude", of="anthropic"), deployment("a", 5))
    assert names(*both) == ["claude", "a"]


def test_model_that_its_provider_lacks_in_the_callers_dialect_comes_after_others_equals() -> None:
    codex = msgspec.structs.replace(deployment("theirs"), model="gpt-5-codex")
    assert names(codex, deployment("ours")) == ["ours", "theirs"]
    assert names(codex) == ["theirs"]


def test_whoever_speaks_the_callers_dialect_comes_first_among_equals() -> None:
    among = (deployment("claude", weight=9, of="anthropic"), deployment("a"), deployment("b"))
    assert names(*among, draw=0.9) == ["b", "a", "claude"]


def test_tokens_are_estimated_only_of_what_converses_and_where_nobody_counts() -> None:
    count = ENDPOINTS["/v1/messages/count_tokens"]
    claude, other = deployment("claude", of="anthropic"), deployment("a")
    assert list(plan(Route(MODEL, (other,)), count, 0.0)) == []
    assert list(plan(Route(MODEL, (other, claude)), count, 0.0)) == [claude]
    with pytest.raises(GatewayError):
        plan(Route(MODEL, (deployment("v", of="voyage"),)), count, 0.0)


def test_model_without_the_operation_names_where_it_can_be_called() -> None:
    with pytest.raises(GatewayError) as caught:
        plan(Route(MODEL, (deployment("claude", of="anthropic"),)), EMBEDDINGS, 0.0)
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert caught.value.param == "model"
    refused, advised = caught.value.message.split(" Call it at ")
    for part in ("'mini'", "claude", "/v1/embeddings"):
        assert part in refused
    assert "/v1/messages" in advised
    assert "/v1/embeddings" not in advised
    assert "count_tokens" not in advised
