"""The sandbox's ear: what it hears in a file, added to the request as `heard`.

Slow, so it belongs in a thread. Only so much of a file is listened to as the sandbox can say.
"""

from typing import IO, Final

import msgspec

from nagara.media.audio_file import measure
from nagara.sandbox.modem import HEARD_RATE, hear
from nagara.sandbox.sound_files import UndecodableError, decode

HEARD_S_MAX: Final = 1_000
"""A little more than 4,096 characters of four bytes take to say."""

_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def add_heard(fields: bytes, file: IO[bytes]) -> bytes:
    """The fields of a form and what is heard in its file. Raises `GatewayError` for no audio."""
    ms = measure(file).ms
    file.seek(0)
    try:
        text = hear(decode(file, HEARD_RATE, HEARD_S_MAX * HEARD_RATE))
    except UndecodableError:
        # Its first packets could be decoded, and later ones cannot.
        text = None
    heard = msgspec.Raw(msgspec.json.encode({"ms": ms, "text": text}))
    return msgspec.json.encode(_fields_decoder.decode(fields) | {"heard": heard})
