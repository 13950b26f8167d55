"""Holds what a caller got against what was recorded, feature by feature.

A dialect that has no place for something may leave it out; which has no place for what is declared
here, in one table with its reasons, and nothing else is forgiven. Where caller and recording speak
the same dialect the bytes pass unchanged, and every difference counts.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import pydantic
from anthropic.types import Message
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from tests.recordings.askers import Got
from tests.recordings.neutral import Answer, Call, Citation, Counts, Failure

SHOWN_LENGTH_MAX: Final = 160


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer of a dialect has a place for.

    `counts` are the token counts beside input and output. `orders_parts` is false where text,
    reasoning and calls lie in fields of their own. `finishes` are the neutral reasons that it
    can give, with what stands for those that it cannot.
    """

    counts: frozenset[str]
    orders_parts: bool = True
    has_refusals: bool = False
    has_server_tools: bool = False
    finishes: Mapping[str, frozenset[str]] = {}


PAUSE: Final = {"pause": frozenset({"stop", "length"})}
"""Only Messages pauses a turn; to others it ended, or came to a limit."""

PLACES: Final[Mapping[str, Place]] = {
    # https://platform.openai.com/docs/api-reference/chat/object
    "chat": Place(
        counts=frozenset(
            {
                "cache_read", "cache_write", "reasoning", "input_audio", "output_audio",
                "input_image",
            }
        ),
        orders_parts=False,
        has_refusals=True,
        finishes=PAUSE,
    ),
    # https://platform.openai.com/docs/api-reference/responses/object
    "responses": Place(
        counts=frozenset({"cache_read", "cache_write", "reasoning"}),
        has_refusals=True,
        has_server_tools=True,
        finishes=PAUSE,
    ),
    # https://docs.anthropic.com/en/api/messages: a refusal is text and a reason to stop.
    "messages": Place(
        counts=frozenset({"cache_read", "cache_write", "reasoning"}), has_server_tools=True
    ),
    # https://ai.google.dev/api/generate-content: no count of what was written to a cache.
    "gemini": Place(
        counts=frozenset(
            {"cache_read", "reasoning", "input_audio", "output_audio", "input_image",
             "output_image"}
        ),
        has_server_tools=True,
        finishes=PAUSE,
    ),
}  # fmt: skip

ANSWER_TYPES: Final[Mapping[str, type[pydantic.BaseModel]]] = {
    "chat": ChatCompletion,
    "responses": Response,
    "messages": Message,
}
"""Google's SDK checks its own when it reads an answer."""

Check = Callable[[Answer, Got, "Ask"], str | None]


class Ask(msgspec.Struct, frozen=True):
    """One way of asking for one recording."""

    case: str
    wire: str
    dialect: str
    is_streamed: bool
    is_recorded_stream: bool

    @property
    def is_same_dialect(self) -> bool:
        """Whether the recording is in the caller's own dialect."""
        return self.wire == self.dialect

    @property
    def passes_through(self) -> bool:
        """Whether nothing has to be done to the recorded bytes."""
        return self.is_same_dialect and self.is_streamed == self.is_recorded_stream

    @property
    def mode(self) -> str:
        """How it was asked, in a word."""
        return "stream" if self.is_streamed else "whole"

    @property
    def place(self) -> Place:
        """What the caller's dialect has a place for."""
        return PLACES[self.dialect]


def compare(expected: Answer, got: Got, ask: Ask) -> dict[str, str]:
    """Each feature that is there, with what is wrong with it; empty text if nothing is."""
    if expected.failure or got.trouble or got.answer.failure:
        return {"error" if expected.failure else "answer": compare_failures(expected, got)}
    found = {name: check(expected, got, ask) for name, check in CHECKS.items()}
    return {"answer": ""} | {name: wrong for name, wrong in found.items() if wrong is not None}


def compare_failures(expected: Answer, got: Got) -> str:
    """What is wrong where at least one of the two is an error."""
    if got.trouble:
        return got.trouble
    if expected.failure is None:
        assert got.answer.failure is not None
        return f"an error instead of an answer: {got.answer.failure.message[:SHOWN_LENGTH_MAX]}"
    if got.answer.failure is None:
        return f"an answer instead of an error: {show(got.answer.text)}"
    return compare_errors(expected.failure, got.answer.failure)


def compare_errors(expected: Failure, got: Failure) -> str:
    """A caller's mistake keeps its status and the provider's words; others are the gateway's."""
    is_callers = expected.status is None or expected.status in (400, 404, 409, 413, 422)
    if not is_callers:
        return "" if (got.status or 500) >= 400 else differ(expected.status, got.status)
    if expected.status is not None and got.status != expected.status:
        return differ(expected.status, got.status)
    begin = expected.message[:400]
    return "" if begin in got.message else differ(begin, got.message)


def check_text(expected: Answer, got: Got, ask: Ask) -> str | None:
    """The text, to the character. A refusal is text where it has no place of its own."""
    text = expected.text if ask.place.has_refusals else expected.text + expected.refusal
    return same(text, got.answer.text)


def check_reasoning(expected: Answer, got: Got, ask: Ask) -> str | None:
    """The reasoning."""
    if not expected.reasoning and not got.answer.reasoning:
        return None
    if is_same_reasoning(expected.reasoning, got.answer.reasoning):
        return ""
    return differ(expected.reasoning, got.answer.reasoning)


def is_same_reasoning(expected: tuple[str, ...], got: tuple[str, ...]) -> bool:
    """Whether the texts are the same; what stands between two blocks is up to who joins them."""
    want, have = "".join(expected), "".join(got)
    return want == have or (len(expected) != len(got) and squeeze(want) == squeeze(have))


def check_calls(expected: Answer, got: Got, ask: Ask) -> str | None:
    """The calls in their order, names and arguments; never one of a tool the provider ran."""
    have = [call for call in got.answer.calls if call.name not in expected.own_calls]
    if not expected.calls and not have:
        return None
    is_same = len(expected.calls) == len(have) and all(
        is_same_call(*pair) for pair in zip(expected.calls, have, strict=True)
    )
    return "" if is_same else differ(expected.calls, have)


def is_same_call(expected: Call, got: Call) -> bool:
    """The same call; a namespace may have become part of the name, free text a field."""
    names = {expected.name}
    if expected.namespace:
        is_joined = got.name.startswith(expected.namespace) and got.name.endswith(expected.name)
        names |= {got.name} if is_joined else set()
    is_wrapped = isinstance(expected.arguments, str) and got.arguments == {
        "input": expected.arguments
    }
    return got.name in names and (got.arguments == expected.arguments or is_wrapped)


def check_finish(expected: Answer, got: Got, ask: Ask) -> str | None:
    """Why it ended. OpenAI says "stop" of forced calls, which elsewhere would not be run."""
    wanted = {expected.finish}
    if not ask.is_same_dialect:
        if expected.calls and expected.finish == "stop":
            wanted = {"tool_calls"}
        elif expected.finish == "tool_calls" and not expected.calls:
            wanted = {"stop", "tool_calls"} if expected.own_calls else {"stop"}
        wanted |= ask.place.finishes.get(expected.finish, frozenset())
        if expected.refusal and not ask.place.has_refusals:
            wanted |= {"content_filter"}
    return "" if got.answer.finish in wanted else differ(sorted(wanted), got.answer.finish)


def check_refusal(expected: Answer, got: Got, ask: Ask) -> str | None:
    """The refusal, where the dialect has a place for it."""
    return same(expected.refusal if ask.place.has_refusals else "", got.answer.refusal)


def check_citations(expected: Answer, got: Got, ask: Ask) -> str | None:
    """Every page that the text refers to, no other, and none listed that was not found.

    A page without a title may be given one, since most dialects want one; and one that is cited of
    no certain piece of the text may stand in Gemini's list alone.
    """
    if not expected.cited and not got.answer.citations:
        return None
    untitled = {page.url for page in expected.citations if not page.title}
    cited, listed = (
        frozenset(Citation(page.url) if page.url in untitled else page for page in pages)
        for pages in (got.answer.cited, got.answer.citations)
    )
    found = {page.url for page in expected.citations}
    missing = expected.cited - listed
    invented = (cited - expected.cited) | {page for page in listed if page.url not in found}
    if not missing and not invented:
        return ""
    return f"missing {list_pages(missing)}, invented {list_pages(invented)}"


def check_order(expected: Answer, got: Got, ask: Ask) -> str | None:
    """Text, reasoning and calls one after the other as they were."""
    kinds = set(expected.order)
    if len(kinds) < 2 or not ask.place.orders_parts or ask.wire == "chat" or expected.refusal:
        return None
    return same(expected.order, got.answer.order)


def check_server_tools(expected: Answer, got: Got, ask: Ask) -> str | None:
    """A tool that the provider ran is told of in the dialect's own blocks, or named as dropped.

    Of a stream the SDKs show no headers, and what comes late cannot be named in one.
    """
    if not expected.server_tools:
        # Pages that a text cites were found by something, which Gemini's grounding tells of.
        is_invented = got.answer.server_tools and not expected.citations
        return "invented" if is_invented else None
    if ask.is_streamed or ask.passes_through:
        return None
    is_told = bool(got.answer.server_tools) or bool(got.dropped)
    return "" if is_told else f"{expected.server_tools} neither carried nor named as dropped"


def check_usage(expected: Answer, got: Got, ask: Ask) -> str | None:
    """Every count that the dialect has a place for, to the token."""
    if expected.counts is None:
        return None
    if got.answer.counts is None:
        # Groq's older streams say it in a field of their own, which passes unread.
        return None if ask.passes_through else differ(expected.counts, None)
    names = ("input", "output", *sorted(ask.place.counts))
    want, have = (count_by_name(counts, names) for counts in (expected.counts, got.answer.counts))
    wrong = {name: (want[name], have[name]) for name in names if want[name] != have[name]}
    return f"(expected, got): {wrong}" if wrong else ""


def check_events(expected: Answer, got: Got, ask: Ask) -> str | None:
    """Indexes, ids and numbers of a stream that the gateway wrote."""
    if not ask.is_streamed or ask.passes_through:
        return None
    return "; ".join(got.problems[:3])


def check_types(expected: Answer, got: Got, ask: Ask) -> str | None:
    """The published type of the answer: nothing that it requires is missing, or of another kind."""
    if ask.is_same_dialect or ask.dialect not in ANSWER_TYPES:
        return None
    try:
        ANSWER_TYPES[ask.dialect].model_validate(got.body)
    except pydantic.ValidationError as error:
        places = sorted(error.errors(), key=lambda each: -len(each["loc"]))[:2]
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in places)
    return ""


CHECKS: Final[Mapping[str, Check]] = {
    "text": check_text,
    "reasoning": check_reasoning,
    "calls": check_calls,
    "order": check_order,
    "finish": check_finish,
    "refusal": check_refusal,
    "citations": check_citations,
    "server tools": check_server_tools,
    "usage": check_usage,
    "events": check_events,
    "types": check_types,
}
FEATURES: Final = ("answer", *CHECKS, "error")


def same(expected: Any, got: Any) -> str | None:
    """None if neither says anything, else what differs."""
    if not expected and not got:
        return None
    return "" if expected == got else differ(expected, got)


def differ(expected: Any, got: Any) -> str:
    """Both, shortened to where they part."""
    want, have = (value if isinstance(value, str) else repr(value) for value in (expected, got))
    start = 0
    if len(want) > SHOWN_LENGTH_MAX or len(have) > SHOWN_LENGTH_MAX:
        pairs = enumerate(zip(want, have, strict=False))
        start = max(0, next((i for i, (a, b) in pairs if a != b), min(len(want), len(have))) - 30)
    return f"expected {show(want[start:])}, got {show(have[start:])}"


def show(text: str) -> str:
    """A text for a message, shortened."""
    return repr(text[:SHOWN_LENGTH_MAX]) + ("…" if len(text) > SHOWN_LENGTH_MAX else "")


def squeeze(text: str) -> str:
    """A text without its white space."""
    return "".join(text.split())


def list_pages(pages: frozenset[Citation]) -> list[str]:
    """Addresses in order."""
    return sorted(f"{page.url} {page.title!r}" for page in pages)


def count_by_name(counts: Counts, names: tuple[str, ...]) -> dict[str, int]:
    """The counts of these names."""
    return {name: getattr(counts, name) for name in names}
