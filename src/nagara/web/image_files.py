"""`GET /v1/images/files/{name}`: pictures that answers link to, for whoever has the link.

No key is asked for: the name is one that nobody can guess, and a link goes where an image is shown.
"""

from starlette.requests import Request
from starlette.responses import Response

from nagara.dialects.images.pictures import MEDIA_TYPES
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.storage.kept_files import KeptFiles


class ImageFiles:
    """The endpoint."""

    def __init__(self, files: KeptFiles) -> None:
        self._files = files

    async def read(self, request: Request) -> Response:
        """The picture. Raises `GatewayError`: 404, or 410 once it has expired."""
        found = await self._files.find(request.path_params["name"])
        media_type = None if found is None else MEDIA_TYPES.get(found.ending)
        if found is None or media_type is None:
            raise GatewayError(
                ErrorKind.NOT_FOUND, "There is no such image. It may have expired long ago."
            )
        if found.content is None:
            raise GatewayError(
                ErrorKind.NOT_FOUND,
                "This image has expired: links to images hold for image_keep_s seconds.",
                status=410,
                code="image_expired",
            )
        headers = {
            "cache-control": f"private, max-age={found.left_s}, immutable",
            # Whatever is in the file, a browser takes it for a picture and for nothing else.
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
        }
        return Response(found.content, media_type=media_type, headers=headers)
