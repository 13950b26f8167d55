"""How providers of this dialect differ from one another, as names that their files list.

Without a trait the common denominator is spoken: what nearly every compatible server takes. Each
trait adds one thing that a provider takes or wants instead. What a provider can be asked for at all
is no trait but an `Ability`.
"""

import enum


class Trait(enum.StrEnum):
    """One way of a provider, and what a request says because of it."""

    DEVELOPER_ROLE = "developer_role"
    """Instructions of a developer keep the role `developer`; elsewhere they are `system`."""
    MAX_COMPLETION_TOKENS = "max_completion_tokens"
    """The cap on output is `max_completion_tokens`; elsewhere it is `max_tokens`."""
    REFUSALS = "refusals"
    """An earlier refusal goes back as `refusal`; elsewhere as text."""
    ALL_EFFORTS = "all_efforts"
    """`reasoning_effort` takes every word of OpenAI's; elsewhere `low`, `medium` and `high`."""
    REASONING_OBJECT = "reasoning_object"
    """Reasoning is asked for with `reasoning: {effort, max_tokens, enabled, exclude}`."""
    THINKING_SWITCH = "thinking_switch"
    """Reasoning is switched on and off with `thinking: {type}`.

    With `ALL_EFFORTS` an effort stands beside it.
    """
    EARLIER_REASONING_CONTENT = "earlier_reasoning_content"
    """Earlier reasoning goes back as `reasoning_content`."""
    EARLIER_REASONING = "earlier_reasoning"
    """Earlier reasoning goes back as `reasoning`."""
    REASONING_DETAILS = "reasoning_details"
    """Earlier reasoning, signed or encrypted, goes back as `reasoning_details`."""
    THINKING_PARTS = "thinking_parts"
    """Earlier reasoning goes back as parts of the type `thinking` in the content."""
    CACHE_CONTROL = "cache_control"
    """Caching marks are Anthropic's `cache_control`; elsewhere `prompt_cache_breakpoint`."""
    SERVER_TOOLS = "server_tools"
    """Web search is a tool of the type `openrouter:web_search`; elsewhere `web_search_options`."""
    VIDEO_URL = "video_url"
    """Video is taken as a part of the type `video_url`."""
    FILE_URL = "file_url"
    """A file may be given by its address."""
    DOCUMENT_URL = "document_url"
    """A document is a part of the type `document_url`, whose address may hold the data."""
    STRING_CONTENT = "string_content"
    """Content is text alone, never a list of parts."""
    SHORT_CALL_IDS = "short_call_ids"
    """Ids of tool calls are nine letters and digits."""
    RANDOM_SEED = "random_seed"
    """The seed is called `random_seed`."""
    STREAMS_USAGE_UNASKED = "streams_usage_unasked"
    """`stream_options` is not taken; usage comes in every stream."""
