"""The canonical conversation: what a caller asks, in no provider's dialect.

Every dialect decodes its requests to a `Request` and encodes them from one, so a caller of any
dialect reaches a provider of any other. A field is here only if two dialects have it; what one
dialect alone has is kept raw in `extras`, is put back when the same dialect is written again, and
is otherwise named to the caller as dropped. Nothing here knows a provider or reads the network.

Values that are JSON (a tool's schema, a hosted tool's settings) stay as the bytes they came in;
a tool call's arguments are JSON text, because streams deliver them in pieces.
"""

import enum
from collections.abc import Mapping

import msgspec

Extras = Mapping[str, msgspec.Raw]
"""Fields of the dialect something came in that the hub does not model, by their wire name."""

NO_EXTRAS: Extras = {}


class Role(enum.StrEnum):
    """Who speaks. Results of tools are parts of what the user says."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"


class CacheMark(msgspec.Struct, frozen=True, gc=False):
    """The prompt up to here is to be cached; `ttl` such as `"5m"` or `"1h"`, None for the usual."""

    ttl: str | None = None


class Signature(msgspec.Struct, frozen=True, gc=False):
    """What a provider signed or encrypted, so that it knows its own reasoning again.

    `maker` names who can read it (`Provider.signature_maker`); empty when it came in the caller's
    own dialect and nobody said who made it. `text` is the reasoning it belongs to, where the place
    it was kept in does not keep that beside it.
    """

    value: str
    maker: str = ""
    text: str | None = None


class CitationKind(enum.StrEnum):
    """What a citation points to."""

    URL = "url"
    DOCUMENT = "document"
    FILE = "file"


class Citation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A source of what the text says.

    `start` and `end` are characters of the text that cites. `document_index` counts the documents
    of the request; `location` says what its `location_start` and `location_end` count
    (`"char"`, `"page"`, `"block"`).
    """

    kind: CitationKind
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    start: int | None = None
    end: int | None = None
    file_id: str | None = None
    document_index: int | None = None
    location: str | None = None
    location_start: int | None = None
    location_end: int | None = None
    extras: Extras = NO_EXTRAS


class Text(msgspec.Struct, frozen=True, gc=False):
    """What somebody writes."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMark | None = None
    extras: Extras = NO_EXTRAS


class MediaKind(enum.StrEnum):
    """What a piece of media is, whatever its file format."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"


class Media(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A file in the conversation, in exactly one of four forms.

    `data` is base64, `url` an address that somebody fetches, `file_id` a file that the provider
    keeps, `text` a plain-text document. `media_type` is a MIME type, None when nobody said it.
    `detail` is OpenAI's (`"low"`, `"high"`, `"auto"`); `transcript` what an audio answer says.
    """

    kind: MediaKind
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    filename: str | None = None
    detail: str | None = None
    transcript: str | None = None
    has_citations: bool = False
    """Whether the answer is asked to cite this document."""
    signature: Signature | None = None
    cache: CacheMark | None = None
    extras: Extras = NO_EXTRAS


class ToolKind(enum.StrEnum):
    """What a tool takes: JSON that fits a schema, or free text that may follow a grammar."""

    FUNCTION = "function"
    CUSTOM = "custom"


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tool that the caller must run. `arguments` is JSON text, or free text for a custom tool.

    `id` is the one that its result names. `namespace` is the group of tools it is from.
    """

    id: str
    name: str
    arguments: str = ""
    kind: ToolKind = ToolKind.FUNCTION
    namespace: str | None = None
    signature: Signature | None = None
    cache: CacheMark | None = None
    extras: Extras = NO_EXTRAS


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the model thought. `text` may be a summary, and is empty where it is kept secret.

    `is_redacted` marks reasoning of which only the signature is given.
    """

    text: str = ""
    signature: Signature | None = None
    is_redacted: bool = False
    is_summary: bool = False
    id: str | None = None
    extras: Extras = NO_EXTRAS


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The model declines, in its words."""

    text: str
    extras: Extras = NO_EXTRAS


class HostedKind(enum.StrEnum):
    """Tools that a provider runs itself."""

    WEB_SEARCH = "web_search"
    WEB_FETCH = "web_fetch"
    CODE_EXECUTION = "code_execution"
    FILE_SEARCH = "file_search"
    IMAGE_GENERATION = "image_generation"
    COMPUTER = "computer"
    MCP = "mcp"
    TOOL_SEARCH = "tool_search"
    ADVISOR = "advisor"
    OTHER = "other"


class Source(msgspec.Struct, frozen=True, gc=False):
    """A page that a search found."""

    url: str
    title: str | None = None


class HostedCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tool that the provider ran itself, or is running. Never for the caller to run.

    `arguments` is JSON text (`{"query": …}` for a search). `raw` is the whole block or item as
    `dialect` has it; it is put back when that dialect is written.
    """

    id: str
    kind: HostedKind
    name: str
    arguments: str = ""
    dialect: str = ""
    raw: msgspec.Raw | None = None
    signature: Signature | None = None


class HostedResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came of a hosted call: pages of a search, output of code. `raw` as in `HostedCall`."""

    call_id: str
    kind: HostedKind
    name: str
    sources: tuple[Source, ...] = ()
    output: str | None = None
    is_error: bool = False
    dialect: str = ""
    raw: msgspec.Raw | None = None
    signature: Signature | None = None


class Opaque(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A block of one dialect that no other has (a compaction, say): put back there, or dropped."""

    dialect: str
    type: str
    raw: msgspec.Raw


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a tool gave: `parts` are texts and media. `name` is the tool's, where it is said."""

    call_id: str
    parts: tuple["Text | Media | Opaque", ...] = ()
    is_error: bool = False
    name: str | None = None
    kind: ToolKind = ToolKind.FUNCTION
    cache: CacheMark | None = None
    extras: Extras = NO_EXTRAS


Part = (
    Text | Media | ToolCall | ToolResult | Reasoning | Refusal | HostedCall | HostedResult | Opaque
)


class Message(msgspec.Struct, frozen=True, gc=False):
    """One turn, or a piece of one: neighbours of the same role belong together."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    extras: Extras = NO_EXTRAS


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tool that the caller runs. `parameters` is its JSON schema, None for no arguments.

    `namespace` is the group it was given in; a custom tool has `format` (a grammar) instead.
    """

    name: str
    description: str | None = None
    parameters: msgspec.Raw | None = None
    is_strict: bool | None = None
    kind: ToolKind = ToolKind.FUNCTION
    format: msgspec.Raw | None = None
    namespace: str | None = None
    namespace_description: str | None = None
    cache: CacheMark | None = None
    extras: Extras = NO_EXTRAS


class HostedTool(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tool that the provider runs. `raw` is its whole description as `dialect` has it.

    The other fields are those of a web search that several providers understand; `location` holds
    `city`, `country`, `region` and `timezone`.
    """

    kind: HostedKind
    name: str
    dialect: str = ""
    raw: msgspec.Raw | None = None
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    uses_max: int | None = None
    location: Mapping[str, str] = {}
    cache: CacheMark | None = None


Tool = FunctionTool | HostedTool


class ToolChoiceMode(enum.StrEnum):
    """How free the model is to call."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    """Which tools may or must be called.

    `name` is of the mode NAMED. `allowed`, if not empty, are the names that AUTO and REQUIRED may
    choose from. `hosted` is the kind of hosted tool that NAMED means instead of a name.
    """

    mode: ToolChoiceMode
    name: str | None = None
    allowed: tuple[str, ...] = ()
    hosted: HostedKind | None = None
    namespace: str | None = None


class OutputKind(enum.StrEnum):
    """The form the answer must have."""

    TEXT = "text"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the text of the answer must be. `schema` belongs to JSON_SCHEMA."""

    kind: OutputKind
    schema: msgspec.Raw | None = None
    name: str | None = None
    description: str | None = None
    is_strict: bool | None = None


class ImageOptions(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the pictures of an answer are to be drawn.

    `aspect_ratio` is a shape such as `"16:9"`, `size` a class of resolution such as `"2K"`.
    """

    aspect_ratio: str | None = None
    size: str | None = None


class Effort(enum.StrEnum):
    """How hard to think, from not at all to as hard as can be."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class ReasoningOptions(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the model is to think. Fields of None leave it to the provider.

    `budget_tokens` bounds the thinking; `is_adaptive` lets the model choose. `is_shown` asks for
    the text of it, or for a summary of the kind `summary` (`"auto"`, `"concise"`, `"detailed"`).
    """

    effort: Effort | None = None
    budget_tokens: int | None = None
    is_adaptive: bool = False
    is_shown: bool | None = None
    summary: str | None = None
    extras: Extras = NO_EXTRAS


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request for an answer in a conversation. None means: the caller did not say.

    `dialect` is the one it came in, and that `extras` belong to. `top_logprobs` of zero asks for
    the chosen token's alone. `has_usage_request` says that a streaming caller wants usage.
    """

    dialect: str
    model: str
    messages: tuple[Message, ...]
    is_streamed: bool = False
    has_usage_request: bool = True
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    is_parallel: bool | None = None
    """Whether several tools may be called at once."""
    output_tokens_max: int | None = None
    choice_count: int = 1
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    output_format: OutputFormat | None = None
    modalities: tuple[str, ...] = ()
    """What the answer is to be made of, if pictures are among it: `image`, and `text` or not."""
    image_options: ImageOptions | None = None
    reasoning: ReasoningOptions | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    cache_key: str | None = None
    cache: CacheMark | None = None
    """A mark on the whole request rather than on a part."""
    user: str | None = None
    metadata: Mapping[str, str] = {}
    extras: Extras = NO_EXTRAS
