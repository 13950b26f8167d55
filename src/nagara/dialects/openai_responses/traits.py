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
