"""What a request may make a provider do at the most, before it does it.

Read from the request alone by its dialect, without a price or a model: quantities that nothing in
the answer can go beyond. `nagara.billing` makes of it the amount to hold.
"""

from typing import Final

import msgspec

WRITTEN_TOKENS_PER_S_MAX: Final = 16
WRITTEN_TOKENS_OVERHEAD: Final = 1_000


class SideCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that the provider may make on the way and bills beside the answer.

    `model` is None for the model that was asked. `input_tokens_max` is None for calls that read the
    conversation, and `output_tokens_max` for what a model may write at the most.
    """

    calls_max: int
    model: str | None = None
    input_tokens_max: int | None = None
    output_tokens_max: int | None = None


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """The sound that a request brings or asks for, which a price may count in more than one way.

    `characters` are those of the text that is to be spoken, and `spoken_ms_max` is longer than any
    voice takes to say them. `heard_ms` is how long the audio plays that is to be heard.
    """

    characters: int = 0
    spoken_ms_max: int = 0
    heard_ms: int = 0

    @property
    def written_tokens_max(self) -> int:
        """More tokens than anybody can say in what is heard."""
        return -(-self.heard_ms * WRITTEN_TOKENS_PER_S_MAX // 1000) + WRITTEN_TOKENS_OVERHEAD


class Demand(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The most that a request asks for.

    `text_bytes` are the bytes of the request that become at most a token each: all of them but the
    data of images. `has_unseen_input` says that input comes from where it cannot be counted
    (files, links, stored conversations, what a provider's tools find). `rounds_max` is how often a
    provider that runs tools may read the whole conversation. `output_tokens_max` is the caller's
    cap on each of `choice_count` answers.
    """

    text_bytes: int
    image_count: int = 0
    is_one_context: bool = True
    """Whether all its text has to fit into the model's context together."""
    context_tokens_min: int = 0
    """How large a context the request asks for, whatever the model's is otherwise."""
    has_unseen_input: bool = False
    has_media_input: bool = False
    """Whether input may be metered as audio or images."""
    has_media_output: bool = False
    has_hour_cache: bool = False
    """Whether the cache may be written for an hour."""
    rounds_max: int = 1
    searches_max: int = 0
    is_search_or_input: bool = False
    """Whether a price for either searches or input will do: rankings are billed by one of them."""
    file_searches_max: int = 0
    containers_max: int = 0
    output_tokens_max: int | None = None
    output_tokens_min: int = 0
    """The least that the cap can be lowered to: below it the request would be no valid one."""
    choice_count: int = 1
    predicted_tokens_max: int = 0
    """Tokens of each answer that are billed as output beside those that it may have."""
    images_max: int = 0
    """Images that are drawn. Each is billed, or the tokens that it is drawn with, whatever cap."""
    image_tokens_max: int | None = None
    """What one of them takes at the most, by its size; None leaves it to the model."""
    image_size: str | None = None
    """The size that is asked for (`1536x1024`, `2K`); None leaves it to the model."""
    image_quality: str | None = None
    service_tier: str | None = None
    side_calls: tuple[SideCalls, ...] = ()
    sound: Sound | None = None
    """Where it is sound that is asked for. It is then priced by what the card counts."""

    @property
    def may_have_files(self) -> bool:
        """Whether there may be anything but text in it, by an address or as it is."""
        return bool(self.image_count) or self.has_unseen_input or self.has_media_input

    def joined(self, earlier: "Demand") -> "Demand":
        """The same with the input of an earlier part of the conversation."""
        return msgspec.structs.replace(
            self,
            text_bytes=self.text_bytes + earlier.text_bytes,
            image_count=self.image_count + earlier.image_count,
            has_unseen_input=self.has_unseen_input or earlier.has_unseen_input,
            has_media_input=self.has_media_input or earlier.has_media_input,
            has_hour_cache=self.has_hour_cache or earlier.has_hour_cache,
        )
