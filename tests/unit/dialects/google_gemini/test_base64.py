"""Files that Google's SDK writes in the alphabet of URLs reach other providers in the usual one."""

import base64

import msgspec

from nagara.dialects.google_gemini import decode_request
from nagara.domain.messages import Media


def test_data_is_in_the_standard_alphabet() -> None:
    file = b"\xfb\xff\xfe\x00"
    part = {
        "inlineData": {"mimeType": "image/png", "data": base64.urlsafe_b64encode(file).decode()}
    }
    body = msgspec.json.encode({"contents": [{"role": "user", "parts": [part]}]})
    (media,) = decode_request(body).messages[0].parts
    assert isinstance(media, Media)
    assert media.data == base64.b64encode(file).decode()
