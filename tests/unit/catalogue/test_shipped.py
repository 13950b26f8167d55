"""The shipped catalogue: what it resolves, and what may not be in it."""

import datetime
import subprocess
import sys

import msgspec
import pytest

from nagara.catalogue.facts import read_facts
from nagara.catalogue.shipped import (
    SHIPPED_PATH,
    decode_catalogue,
    encode_catalogue,
    load_shipped,
    pick_newer,
)
from nagara.catalogue.sync import make_catalogue
from nagara.domain.catalog import Operation
from nagara.providers import PROVIDERS

CATALOGUE = load_shipped()
BY_NAME = {name: model for model in CATALOGUE.models for name in (model.id, *model.aliases)}


def test_no_id_or_alias_names_two_models() -> None:
    names = [name for model in CATALOGUE.models for name in (model.id, *model.aliases)]
    assert len(names) == len(set(names))


def test_shipped_file_is_what_a_build_of_its_day_gives() -> None:
    day = datetime.datetime.fromtimestamp(CATALOGUE.built_at_s, datetime.UTC).date()
    assert encode_catalogue(make_catalogue(day)) == SHIPPED_PATH.read_bytes()


def test_file_has_one_model_a_line_and_survives_a_round_trip() -> None:
    body = SHIPPED_PATH.read_bytes()
    assert encode_catalogue(decode_catalogue(body)) == body
    assert body.count(b"\n") > len(CATALOGUE.models) + len(CATALOGUE.startups)


def test_file_is_small() -> None:
    assert SHIPPED_PATH.stat().st_size < 1_500_000


def test_body_that_is_no_catalogue_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_catalogue(b'{"models": 3}')


@pytest.mark.parametrize(
    ("asked", "model_id"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4.5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4.5"),
        ("claude-sonnet-4.5-20250929", "claude-sonnet-4.5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4.5"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("claude-opus-4-1-20250805", "claude-opus-4.1"),
        ("claude-opus-4-5-20251101", "claude-opus-4.5"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-opus-4-6", "claude-opus-4.6"),
        ("claude-opus-5-5", "claude-opus-5.5"),
        ("claude-3-5-haiku-latest", "claude-3.5-haiku"),
        ("claude-3-7-sonnet-20250219", "claude-3.7-sonnet"),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5-codex", "gpt-5-codex"),
        ("gpt-5.1", "gpt-5.1"),
        ("gpt-5.1-codex-max", "gpt-5.1-codex-max"),
        ("gpt-5.3-codex", "gpt-5.3-codex"),
        ("gpt-6.1-sol", "gpt-6.1-sol"),
        ("grok-4-0709", "grok-4"),
        ("omni-moderation-latest", "omni-moderation"),
        ("GLM-4.6", "glm-4.6"),
        ("llama-3.3-70b-instruct:free", "llama-3.3-70b-instruct:free"),
    ],
)
def test_name_that_clients_send_is_known(asked: str, model_id: str) -> None:
    assert BY_NAME[asked].id == model_id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-5", "gpt-5-codex"),
        ("gpt-4o", "gpt-4o-2024-05-13"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("gpt-4o-mini", "gpt-4o-mini-search-preview"),
        ("minimax-m2", "minimax-m2.5"),
        ("llama-3.3-70b-instruct", "llama-3.3-70b-instruct-turbo"),
        ("gpt-oss-120b", "gpt-oss-120b:free"),
        ("grok-4-fast-reasoning", "grok-4-fast-non-reasoning"),
        ("llama-4-maverick-17b-128e-instruct", "llama-4-maverick-17b-128e-instruct-fp8"),
    ],
)
def test_models_that_only_cost_the_same_stay_apart(one: str, other: str) -> None:
    assert BY_NAME[one].id != BY_NAME[other].id


def test_open_model_is_one_model_at_many_providers() -> None:
    offers = {offer.provider: offer.model for offer in BY_NAME["gpt-oss-120b"].offers}
    assert offers["groq"] == "openai/gpt-oss-120b"
    assert offers["cerebras"] == "gpt-oss-120b"
    assert offers["fireworks"] == "accounts/fireworks/models/gpt-oss-120b"
    assert offers["openrouter"] == "openai/gpt-oss-120b"


def test_offers_are_of_providers_that_can_be_called_and_once_each() -> None:
    for model in CATALOGUE.models:
        names = [offer.provider for offer in model.offers]
        assert names, model.id
        assert len(names) == len(set(names)), model.id
        assert set(names) <= set(PROVIDERS), model.id


def test_every_model_is_made_by_a_startup_of_the_list() -> None:
    assert {m.startup for m in CATALOGUE.models} == {s.id for s in CATALOGUE.startups}


def test_facts_name_only_providers_and_startups_that_exist() -> None:
    facts = read_facts()
    assert set(facts.providers) <= set(PROVIDERS)
    assert {p.startup for p in facts.providers.values() if p.startup} <= set(facts.startups)


@pytest.mark.parametrize("made", sorted(read_facts().models))
def test_single_model_of_the_facts_is_in_the_catalogue(made: str) -> None:
    assert (read_facts().models[made].id or made) in {model.id for model in CATALOGUE.models}


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("gpt-4.1-mini", Operation.RESPONSES),
        ("claude-sonnet-4.5", Operation.MESSAGES),
        ("text-embedding-3-small", Operation.EMBEDDINGS),
        ("voyage-3.5", Operation.EMBEDDINGS),
        ("omni-moderation-latest", Operation.MODERATIONS),
    ],
)
def test_model_is_for_what_its_kind_is_for(name: str, operation: Operation) -> None:
    assert operation in BY_NAME[name].operations


@pytest.mark.parametrize("name", ["gpt-image-1", "whisper-1", "tts-1", "gpt-realtime"])
def test_model_of_no_served_kind_is_no_conversation(name: str) -> None:
    assert Operation.CHAT not in BY_NAME[name].operations


def test_deprecated_model_says_when() -> None:
    assert BY_NAME["gemini-2.0-flash"].deprecates_at_s is not None
    assert BY_NAME["claude-sonnet-4.5"].deprecates_at_s is None


def test_newer_of_stored_and_shipped_is_used() -> None:
    older = msgspec.structs.replace(CATALOGUE, built_at_s=CATALOGUE.built_at_s - 1)
    newer = msgspec.structs.replace(CATALOGUE, built_at_s=CATALOGUE.built_at_s + 1)
    assert pick_newer(None) == CATALOGUE
    assert pick_newer(older) == CATALOGUE
    assert pick_newer(newer) is newer


def test_loading_the_shipped_file_imports_no_price_data() -> None:
    code = (
        "import sys; from nagara.catalogue.shipped import load_shipped; load_shipped(); "
        "import nagara.cli.models; "
        "sys.exit(any(name.startswith(('genai_prices', 'rich')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
