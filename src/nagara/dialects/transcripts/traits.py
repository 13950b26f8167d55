"""The formats of transcripts that are not OpenAI's: named, and data."""

import enum
from collections.abc import Mapping


class Form(enum.StrEnum):
    """What a provider speaks, where it is not OpenAI's format."""

    ELEVENLABS = "transcripts.elevenlabs"
    MISTRAL = "transcripts.mistral"
    GOOGLE = "transcripts.google"
    """Gemini's models that are made for it, and know when each word was said."""

    GOOGLE_ASKED = "transcripts.google_asked"
    """Gemini's other models, which are asked in words for the text alone."""

    VERBOSE = "transcripts.verbose"
    """OpenAI's format without subtitles: these are made of what is said at length."""


# The other models take no notice of being asked for a transcript as this one is.
GEMINI_FORMS: Mapping[str, str] = {r"transcribe": Form.GOOGLE, "": Form.GOOGLE_ASKED}
"""How Gemini's models are asked for transcripts, wherever they are served."""

HEARS_NOT = r"^(?!gemini-)|tts|image|embedding|live|computer-use|native-audio"
"""Names of Google's models that do not listen."""

TRANSLATES_NOT = HEARS_NOT + r"|transcribe"
