"""What an answer says, apart from the dialect that says it: the common ground of the comparison.

A recorded answer and what an SDK made of the gateway's answer are both read into `Answer`. These
are the tests' own words: nothing of the gateway's code is used, so that a mistake there cannot
hide itself.
"""

from typing import Any

import msgspec


class Call(msgspec.Struct, frozen=True):
    """A tool call that the caller must run. `arguments` is a JSON value; text for a free-form tool.

    `namespace` is set where the wire tells it apart from the name.
    """

    name: str
    arguments: Any
    namespace: str = ""


class Citation(msgspec.Struct, frozen=True):
    """A page of the web that the text rests on."""

    url: str
    title: str = ""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens. `input` holds cached ones and those of tools, `output` holds reasoning.

    The others are parts of those two that do not overlap: what was read from a cache is not counted
    as audio or an image too. Zero and unsaid are the same here.
    """

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    input_audio: int = 0
    output_audio: int = 0
    input_image: int = 0
    output_image: int = 0


class Failure(msgspec.Struct, frozen=True):
    """An error instead of an answer, or in the middle of one (`status` of None)."""

    status: int | None
    message: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. Strings are empty and tuples are empty where it says nothing of the kind.

    `reasoning` has one text for each block. `order` names the kinds in their order, neighbours of
    a kind merged, calls counted one by one. `finish` is one of stop, length, tool_calls,
    content_filter, pause, or what the wire said if it is none of these. `cited` are the citations
    that a place in the text refers to, `citations` all that are listed. `own_calls` are calls of
    tools that only this wire has and the caller runs (`tool_search_call`); `server_tools` those
    that the provider ran itself.
    """

    text: str = ""
    reasoning: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    own_calls: tuple[str, ...] = ()
    server_tools: tuple[str, ...] = ()
    finish: str = ""
    refusal: str = ""
    cited: frozenset[Citation] = frozenset()
    citations: frozenset[Citation] = frozenset()
    order: tuple[str, ...] = ()
    counts: Counts | None = None
    failure: Failure | None = None


class Reading:
    """Collects the parts of an answer in their order."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[Call] = []
        self._order: list[str] = []
        self.own_calls: list[str] = []
        self.server_tools: list[str] = []
        self.refusal = ""
        self.cited: set[Citation] = set()
        self.citations: set[Citation] = set()

    def add_text(self, text: str | None) -> None:
        """A piece of what the caller reads."""
        if text:
            self._text.append(text)
            self._note("text")

    def add_reasoning(self, text: str | None) -> None:
        """One block of reasoning."""
        if text:
            self._reasoning.append(text)
            self._note("reasoning")

    def add_call(self, name: str, arguments: Any, namespace: str = "") -> None:
        """A call that the caller must run."""
        self._calls.append(Call(name, arguments, namespace))
        self._order.append("call")

    def add_citation(self, url: str | None, title: str | None, *, is_cited: bool = True) -> None:
        """A page of the web; one without an address is none."""
        if url:
            citation = Citation(url, title or "")
            self.citations.add(citation)
            if is_cited:
                self.cited.add(citation)

    def _note(self, kind: str) -> None:
        if self._order[-1:] != [kind]:
            self._order.append(kind)

    @property
    def has_calls(self) -> bool:
        """Whether there is anything for the caller to run."""
        return bool(self._calls or self.own_calls)

    def answer(self, finish: str, counts: Counts | None) -> Answer:
        """The answer of what was collected."""
        return Answer(
            text="".join(self._text),
            reasoning=tuple(self._reasoning),
            calls=tuple(self._calls),
            own_calls=tuple(self.own_calls),
            server_tools=tuple(self.server_tools),
            finish=finish,
            refusal=self.refusal,
            cited=frozenset(self.cited),
            citations=frozenset(self.citations),
            order=tuple(self._order),
            counts=counts,
        )


def failed(status: int | None, message: object) -> Answer:
    """The answer that is an error."""
    return Answer(failure=Failure(status, message if isinstance(message, str) else str(message)))
