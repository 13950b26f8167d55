"""The formats of speech that are not OpenAI's: named, and data."""

import enum
from collections.abc import Mapping


class Form(enum.StrEnum):
    """What a provider speaks, where it is not OpenAI's format."""

    ELEVENLABS = "speech.elevenlabs"
    GOOGLE = "speech.google"
    """Gemini's models from 3.8 on: style beside the text, and the encoding can be chosen."""

    GOOGLE_UNSTYLED = "speech.google_unstyled"
    """Those before them: style is said in the text, and what comes is bare samples."""

    GOOGLE_WHOLE = "speech.google_whole"
    """Those that refuse to stream besides."""


# Of the models before 3.1 none streams speech, and of those before 3.8 none is told a style or an
# encoding: https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/speech/text-to-speech
GEMINI_FORMS: Mapping[str, str] = {
    r"^gemini-2": Form.GOOGLE_WHOLE,
    r"^gemini-3\.[0-7]-": Form.GOOGLE_UNSTYLED,
    "": Form.GOOGLE,
}
"""What Gemini's models speak, wherever they are served."""

SPEAKS_NOT = r"^(?!.*tts)"
"""Names of Gemini's models that do not speak."""
