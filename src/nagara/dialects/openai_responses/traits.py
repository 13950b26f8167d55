"""What a provider of this dialect may do in its own way, named in its file as data."""

import enum


class Trait(enum.StrEnum):
    """One way of a provider within the Responses dialect."""

    PLAIN_REASONING = "plain_reasoning"
    """It takes reasoning back as plain text, unsigned (DeepSeek, open models behind vLLM)."""
    NO_ENCRYPTED_REASONING = "no_encrypted_reasoning"
    """It does not know `include: ["reasoning.encrypted_content"]`."""
    AUDIO_INPUT = "audio_input"
    """It takes `input_audio` parts, which the published types do not have."""
    RESPONSE_FORMAT = "response_format"
    """The form of the answer is `response_format`, as in Chat Completions; `text` is refused."""
    NO_IMAGE_DETAIL = "no_image_detail"
    """It refuses `detail` on images."""
    SEARCH_FILTERS = "search_filters"
    """Web search is narrowed by `filters.search_domain_filter`, where `-` denies a domain; a
    location has no `type`, and the tool is chosen by the name that it is offered by."""
