"""Speech at providers that have formats of their own; OpenAI's is passed on, and needs none of it.

`request.py` reads what is asked for, `wav.py` makes a file of bare samples, and each other file is
one provider's format.

Source: https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from nagara.dialects.speech.exchange import open_speech
from nagara.dialects.speech.request import MEDIA_TYPES
from nagara.dialects.speech.traits import Form

__all__ = ["MEDIA_TYPES", "Form", "open_speech"]
