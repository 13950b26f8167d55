"""Transcripts at providers that have formats of their own; OpenAI's is passed on as it is.

`request.py` reads what is asked for, `transcript.py` is what any of them says, `subtitles.py` and
`answer.py` write it in the caller's format, `exchange.py` is one request at one deployment, and
each other file is one provider's format.

Source: https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from nagara.dialects.transcripts.exchange import open_transcript, open_translation
from nagara.dialects.transcripts.request import FORMATS, JSON, PLAIN_TEXT, read_flag
from nagara.dialects.transcripts.traits import Form

__all__ = [
    "FORMATS",
    "JSON",
    "PLAIN_TEXT",
    "Form",
    "open_transcript",
    "open_translation",
    "read_flag",
]
