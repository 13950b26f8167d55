"""A form with a file: described for whoever decides, and whole again for whoever is asked."""

import base64
import json

import pytest
from tests.forms import read_form

from nagara.dialects.images.pictures import name_place
from nagara.domain.errors import GatewayError
from nagara.media.upload import Upload
from nagara.operations.forms import FormLimits, PartBegan, PartData, PartEnded

FILE = PartBegan("file", "a.wav", "audio/wav")
CONTENT = b"--not-a-boundary\r\n" * 20_000


def take(upload: Upload, *parts: tuple[PartBegan, bytes]) -> None:
    for head, data in parts:
        upload.take(head)
        for at in range(0, len(data), 10_000):
            upload.take(PartData(data[at : at + 10_000]))
        upload.take(PartEnded())
    upload.check_file()


def text(name: str, value: str) -> tuple[PartBegan, bytes]:
    return PartBegan(name, None, ""), value.encode()


@pytest.mark.parametrize("memory_bytes_max", [1_000, 10**6])
async def test_form_is_written_whole_as_often_as_it_is_asked_for(memory_bytes_max: int) -> None:
    upload = Upload("file", memory_bytes_max)
    take(
        upload,
        text("model", "mine"),
        (FILE, CONTENT),
        text("include[]", "a"),
        text("include[]", "b"),
    )
    described = json.loads(upload.describe())
    assert described["include[]"] == ["a", "b"]
    assert described["file"]["bytes"] == len(CONTENT)
    del described["file"]
    fields = json.dumps(described | {"model": "theirs"}).encode()
    for _ in range(2):
        content_type, length, pieces = upload.encode(fields)
        body = b"".join([piece async for piece in pieces])
        assert len(body) == length
        form = read_form(content_type, body, FormLimits())
        assert [(p.head.name, p.data) for p in form.parts if not p.is_file] == [
            ("model", b"theirs"), ("include[]", b"a"), ("include[]", b"b"),
        ]  # fmt: skip
        (file,) = form.files("file")
        assert (file.head, file.data) == (FILE, CONTENT)
    upload.close()


@pytest.mark.parametrize(
    "parts",
    [
        [text("model", "m")],
        [(FILE, b"")],
        [(PartBegan("other", "a.wav", ""), b"x")],
        [(FILE, b"x"), (FILE, b"y")],
        [text("model", "a"), text("model", "b"), (FILE, b"x")],
        [text("prompt", "x" * 2**20 + "x"), (FILE, b"x")],
        [(PartBegan("prompt", None, ""), b"\xff"), (FILE, b"x")],
    ],
    ids=["no file", "empty", "another file", "two files", "twice", "long", "not UTF-8"],
)
def test_what_does_not_belong_there_is_refused(parts: list[tuple[PartBegan, bytes]]) -> None:
    upload = Upload("file", 1_000)
    with pytest.raises(GatewayError) as caught:
        take(upload, *parts)
    assert caught.value.param is not None
    upload.close()


def test_same_form_is_described_alike_and_another_file_is_not() -> None:
    described = []
    for content in (b"x", b"x", b"y"):
        upload = Upload("file", 1_000)
        take(upload, text("model", "m"), (FILE, content))
        described.append(upload.describe())
        upload.close()
    assert described[0] == described[1] != described[2]


@pytest.mark.parametrize("size", [1, 2, 3, 49_151, 49_152, 49_153, 200_000])
async def test_file_is_written_into_json_in_base64(size: int) -> None:
    content = bytes(n % 251 for n in range(size))
    upload = Upload("file", 1_000)
    take(upload, text("model", "mine"), (FILE, content))
    for _ in range(2):
        document = json.dumps({"data": name_place("seed", 0)}).encode()
        length, pieces = upload.encode_json(document, "seed")
        body = b"".join([piece async for piece in pieces])
        assert length == len(body)
        assert base64.b64decode(json.loads(body)["data"], validate=True) == content
    upload.close()
