"""ElevenLabs: speech, and transcripts by Scribe, each in a format of its own.

No catalogue of prices has its models, since what they cost goes by one's plan: they are declared,
with prices, in the configuration. A voice is one of its ids; OpenAI's names are refused.
"""

from nagara.dialects.speech.traits import Form as SpeechForm
from nagara.dialects.transcripts.traits import Form as TranscriptForm
from nagara.domain.catalog import Auth, Evidence, Operation, Provider

PROVIDER = Provider(
    name="elevenlabs",
    display_name="ElevenLabs",
    homepage="https://elevenlabs.io",
    base_url="https://api.elevenlabs.io/v1",
    base_url_env="ELEVENLABS_BASE_URL",
    credential_env=("ELEVENLABS_API_KEY",),
    auth=Auth.XI_API_KEY,
    paths={
        Operation.SPEECH: "/text-to-speech/{voice}/stream?output_format={output_format}",
        Operation.TRANSCRIPTIONS: "/speech-to-text",
    },
    forms={
        Operation.SPEECH: {"": SpeechForm.ELEVENLABS},
        Operation.TRANSCRIPTIONS: {"": TranscriptForm.ELEVENLABS},
    },
    models_without={Operation.SPEECH: r"scribe", Operation.TRANSCRIPTIONS: r"^eleven_"},
    evidence=Evidence(
        pages=(
            "https://elevenlabs.io/docs/api-reference/text-to-speech/stream",
            "https://github.com/elevenlabs/elevenlabs-python/tree/main/src/elevenlabs/text_to_speech",
            "https://github.com/elevenlabs/elevenlabs-python/tree/main/src/elevenlabs/speech_to_text",
        ),
        checked_on="2026-11-30",
        unverified="that its Opus comes in Ogg, and the largest file that it takes",
    ),
)
