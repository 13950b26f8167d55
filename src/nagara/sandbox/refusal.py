"""How each API words its errors: the body of a 400, and of the failures that are asked for.

OpenAI's shape is https://platform.openai.com/docs/guides/error-codes, Anthropic's is
https://docs.claude.com/en/api/errors.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from nagara.sandbox.request import BadRequest, Problem, find_kind
from nagara.sandbox.script import Script, make_json_script

OPENAI_CODES: Final = {
    Problem.MISSING: "missing_required_parameter",
    Problem.TYPE: "invalid_type",
    Problem.EMPTY: "empty_array",
    Problem.LONG: "array_above_max_length",
    Problem.LOW: "integer_below_min_value",
    Problem.HIGH: "integer_above_max_value",
    Problem.VALUE: "invalid_value",
    Problem.OTHER: None,
}

Refuse = Callable[[BadRequest, str], Script]


def make_openai_error(
    status: int,
    kind: str,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Script:
    """An error of the OpenAI API."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return make_json_script({"error": error}, status, headers)


def make_anthropic_error(
    status: int, kind: str, message: str, request_id: str, headers: Iterable[tuple[str, str]] = ()
) -> Script:
    """An error of the Anthropic API."""
    error = {"type": kind, "message": message}
    body: dict[str, Any] = {"type": "error", "error": error, "request_id": request_id}
    return make_json_script(body, status, [("request-id", request_id), *headers])


def refuse_openai(refusal: BadRequest, request_id: str) -> Script:
    """The 400 of the OpenAI API."""
    param = name_openai_param(refusal) or None
    code = OPENAI_CODES[refusal.problem]
    message = word_openai(refusal, param)
    headers = [("x-request-id", request_id)]
    return make_openai_error(
        400, "invalid_request_error", message, param=param, code=code, headers=headers
    )


def name_openai_param(refusal: BadRequest) -> str:
    """The path as OpenAI writes it: `messages[0].content`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in refusal.path)
    return "".join(steps).removeprefix(".")


def word_openai(refusal: BadRequest, param: str | None) -> str:
    """The sentence of an OpenAI 400."""
    detail, found = refusal.detail, refusal.found
    match refusal.problem:
        case Problem.MISSING:
            return f"Missing required parameter: '{param}'."
        case Problem.TYPE:
            expected = f"expected {detail}, but got {find_kind(found)} instead."
            return f"Invalid type for '{param}': {expected}"
        case Problem.EMPTY:
            return f"Invalid '{param}': empty array. Expected at least one item."
        case Problem.LONG:
            return f"Invalid '{param}': array too long. Expected at most {detail} items."
        case Problem.LOW:
            bound = f"Expected a value >= {detail}, but got {found} instead."
            return f"Invalid '{param}': value below the minimum. {bound}"
        case Problem.HIGH:
            bound = f"Expected a value <= {detail}, but got {found} instead."
            return f"Invalid '{param}': value above the maximum. {bound}"
        case Problem.VALUE:
            supported = f"Supported values are: {detail}."
            return f"Invalid value: '{bound_text(found)}' for '{param}'. {supported}"
    if param is None:
        return f"We could not read the body of your request: {detail}."
    return f"Invalid '{param}': {detail}."


def refuse_anthropic(refusal: BadRequest, request_id: str) -> Script:
    """The 400 of the Anthropic API."""
    path = ".".join(map(str, refusal.path))
    message = word_anthropic(refusal)
    text = f"{path}: {message}" if path else message
    return make_anthropic_error(400, "invalid_request_error", text, request_id)


def word_anthropic(refusal: BadRequest) -> str:
    """The sentence of an Anthropic 400, without the path before it."""
    detail = refusal.detail
    match refusal.problem:
        case Problem.MISSING:
            return "Field required"
        case Problem.TYPE:
            return f"Input should be {detail}"
        case Problem.EMPTY:
            return "at least one item is required"
        case Problem.LONG:
            return f"List should have at most {detail} items"
        case Problem.LOW:
            return f"Input should be greater than or equal to {detail}"
        case Problem.HIGH:
            return f"Input should be less than or equal to {detail}"
        case Problem.VALUE:
            return f"Input should be one of {detail}"
    return detail


def bound_text(value: Any) -> str:
    """A value for an error message, cut to a length that can be read."""
    text = str(value)
    return text if len(text) <= 100 else text[:100] + "…"
