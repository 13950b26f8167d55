"""What providers really sent, through the pass-through lane: unchanged, whole, metered, refused."""

import itertools
import json
import random
from types import ModuleType

from tests.recordings.recorded import Recorded, needs_recordings, read_recordings

from nagara.dialects import anthropic_messages, openai_chat, openai_responses
from nagara.domain.catalog import Secret
from nagara.domain.errors import Fault
from nagara.domain.usage import Usage
from nagara.upstream.refusal import MESSAGE_LENGTH_MAX, classify_refusal

pytestmark = needs_recordings

EVENT_BYTES_MAX = 8 * 1024 * 1024
DONE = b"data: [DONE]\n\n"
OPENAI_LIKE = (
    "openai", "azure", "groq", "mistral", "openrouter", "deepseek", "cerebras", "huggingface",
    "zai", "ollama", "crusoe", "bedrock-mantle",
)  # fmt: skip
DIALECTS = {
    "/chat/completions": openai_chat,
    "/responses": openai_responses,
    "/messages": anthropic_messages,
}


def dialect_of(recorded: Recorded) -> ModuleType | None:
    return next((d for end, d in DIALECTS.items() if recorded.path.endswith(end)), None)


def split(body: bytes, draw: random.Random) -> list[bytes]:
    cuts = sorted({0, len(body), *(draw.randrange(len(body) + 1) for _ in range(30))})
    return [body[a:b] for a, b in itertools.pairwise(cuts)]


def recorded_counts(dialect: ModuleType, body: bytes) -> tuple[int, int] | None:
    """Input and output tokens as the recording says, read without the code under test."""
    inputs = outputs = None
    for line in body.splitlines():
        if not line.startswith(b"data:") or line.endswith(b"[DONE]"):
            continue
        data = json.loads(line[5:])
        holders = (data.get("x_groq"), data, data.get("message"), data.get("response"))
        for usage in (h["usage"] for h in holders if isinstance(h, dict) and h.get("usage")):
            if dialect is openai_chat:
                inputs, outputs = usage["prompt_tokens"], usage["completion_tokens"]
            else:
                inputs = usage.get("input_tokens", inputs)
                outputs = usage.get("output_tokens", outputs)
    return None if inputs is None or outputs is None else (inputs, outputs)


def counts(dialect: ModuleType, usage: Usage) -> tuple[int, int]:
    """As the dialect counts: Anthropic's input leaves cached tokens out."""
    if dialect is anthropic_messages:
        return usage.quantities.get("input", 0), usage.output_tokens  # type: ignore[call-overload]
    return usage.input_tokens, usage.output_tokens


def test_every_recorded_stream_passes_unchanged_and_metered() -> None:
    draw, seen = random.Random(4), 0
    for recorded in read_recordings(*OPENAI_LIKE, "anthropic"):
        dialect = dialect_of(recorded)
        if dialect is None or not recorded.is_stream or recorded.status != 200:
            continue
        seen += 1
        for pieces in ([recorded.body], *(split(recorded.body, draw) for _ in range(3))):
            stream = dialect.forward_stream(EVENT_BYTES_MAX, None, hides_usage=False)
            output = b""
            for piece in pieces:
                output += stream.feed(piece)
                if stream.is_ended:
                    output += stream.terminator()
                    break
            else:
                output += stream.close()
            assert output.removesuffix(DONE).rstrip() == recorded.body.removesuffix(DONE).rstrip()
            assert stream.is_complete, recorded.id
            assert stream.has_failed is (b'data: {"error":' in recorded.body), recorded.id
            expected = recorded_counts(dialect, recorded.body)
            if expected is None:
                assert stream.usage is None, recorded.id
            else:
                assert counts(dialect, stream.usage) == expected, recorded.id
    assert seen > 50


def test_every_recorded_answer_is_metered_as_it_says() -> None:
    seen = 0
    for recorded in read_recordings(*OPENAI_LIKE, "anthropic"):
        dialect = dialect_of(recorded)
        if dialect is None or recorded.is_stream or recorded.status != 200:
            continue
        said = json.loads(recorded.body).get("usage")
        usage = dialect.read_usage(recorded.body)
        if not said:
            assert usage is None, recorded.id
            continue
        seen += 1
        inputs = said.get("prompt_tokens", said.get("input_tokens"))
        outputs = said.get("completion_tokens", said.get("output_tokens"))
        assert counts(dialect, usage) == (inputs, outputs), recorded.id
    assert seen > 300


def test_every_recorded_refusal_is_of_a_sensible_kind_and_keeps_its_words() -> None:
    seen, secret = 0, "sk-the-gateways-own-credential"
    for recorded in read_recordings(*OPENAI_LIKE, "anthropic", "google", "vertex", "cohere"):
        if recorded.status < 400:
            continue
        seen += 1
        error = classify_refusal(
            recorded.status, recorded.headers, recorded.body, "them", Secret(secret)
        )
        fault = error.kind.value.fault
        if recorded.status in (400, 404, 413, 422):
            assert fault is Fault.CLIENT, recorded.id
            assert error.status == recorded.status
            assert len(error.message) <= MESSAGE_LENGTH_MAX
            assert error.message in json_texts(recorded.body), (recorded.id, error.message)
        else:
            assert fault is Fault.UPSTREAM, recorded.id
            assert "them" in error.message
    assert seen > 15


def json_texts(body: bytes) -> str:
    """The body with its escapes undone, to look for a message in."""
    return json.dumps(json.loads(body), ensure_ascii=False).replace('\\"', '"').replace("\\n", "\n")
