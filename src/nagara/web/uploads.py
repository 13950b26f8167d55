"""Forms with files, taken from a client as they come: never wholly in memory.

Only for those who have a key: who has none must not fill the disk.
"""

import asyncio
from typing import Final

from nagara.media.audio_file import import_av, measure
from nagara.media.upload import Upload, too_large
from nagara.operations.forms import FileFields, FormLimits, FormReader
from nagara.web.cycle import Cycle

MEMORY_BYTES_MAX: Final = 2**20
"""A file beyond this is put on the disk."""


async def receive_upload(
    cycle: Cycle, accepted: str | FileFields, bytes_max: int, forms: FormLimits
) -> tuple[Upload, int]:
    """The form of a request, and the bytes of its body. Who gets the form has to close it.

    A single file, by its field's name, is sound, and its length is measured. Raises
    `GatewayError`; nothing is left then.
    """
    is_sound = isinstance(accepted, str)
    if is_sound:
        import_av()
    named = cycle.head.named
    declared = named.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > bytes_max:
        raise too_large(bytes_max)
    reader = FormReader(named.get(b"content-type", b""), forms)
    upload, size = Upload(accepted, MEMORY_BYTES_MAX), 0
    try:
        while piece := await cycle.read():
            size += len(piece)
            if size > bytes_max:
                raise too_large(bytes_max)
            for event in reader.feed(piece):
                upload.take(event)
        reader.close()
        if is_sound:
            upload.check_file()
            upload.facts = await asyncio.to_thread(measure, upload.file)
    except BaseException:
        upload.close()
        raise
    return upload, size
