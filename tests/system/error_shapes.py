"""What every error must look like, in the shape of the dialect whose path was called."""

from tests.system.wire import WireAnswer

ANTHROPIC_PATHS = ("/v1/messages",)


def is_anthropic(path: str) -> bool:
    """Whether errors on `path` have Anthropic's shape."""
    return path.partition("?")[0].startswith(ANTHROPIC_PATHS)


def read_error(answer: WireAnswer, path: str) -> dict[str, object]:
    """The `error` member of an answer, having checked all that every error must have."""
    assert answer.status >= 400, f"{answer.status} is no error: {answer.body[:300]!r}"
    assert (answer.header("content-type") or "").startswith("application/json"), answer
    assert answer.header("x-request-id"), f"no x-request-id in {answer.headers}"
    assert b"Traceback" not in answer.body
    document = answer.json()
    error = document["error"]
    if is_anthropic(path):
        assert document["type"] == "error", document
    assert isinstance(error["type"], str), document
    assert error["type"], document
    assert isinstance(error["message"], str), document
    assert len(error["message"]) > 10, document
    assert isinstance(error, dict)
    return error
