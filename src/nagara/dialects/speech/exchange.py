"""One request for speech at one deployment that has a format of its own."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from nagara.dialects.base import RequestView
from nagara.dialects.exchange import Aim, SoundExchange
from nagara.dialects.speech.elevenlabs import ElevenLabsSpeech
from nagara.dialects.speech.google import GoogleSpeech
from nagara.dialects.speech.request import SpeechRequest, decode_request
from nagara.dialects.speech.traits import Form

EXCHANGES: Final[Mapping[str, Callable[[SpeechRequest, Aim], SoundExchange]]] = {
    Form.ELEVENLABS: ElevenLabsSpeech,
    Form.GOOGLE: partial(GoogleSpeech, is_styled=True),
    Form.GOOGLE_UNSTYLED: GoogleSpeech,
    Form.GOOGLE_WHOLE: partial(GoogleSpeech, can_stream=False),
}


def open_speech(view: RequestView, aim: Aim) -> SoundExchange:
    """The exchange of a request. Raises `GatewayError` for what the provider cannot be given."""
    assert aim.form is not None
    return EXCHANGES[aim.form](decode_request(view), aim)
