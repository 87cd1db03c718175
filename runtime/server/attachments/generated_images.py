"""Images that models generate: stored as files of their thread, beside its attachments.

The item has the address of the file. Without this, it would have the whole image as a `data:` URL, and with it each
list of the thread's items.
"""

from __future__ import annotations

import base64
import binascii
import io
import logging
from dataclasses import dataclass

from chatkit.agents import ResponseStreamConverter

from runtime.resources.threads import in_file_thread
from runtime.server.attachments.content import MODEL_IMAGES, read_picture
from runtime.server.attachments.uploads import Uploads

logger = logging.getLogger("runtime.server")


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where the images of a turn are stored, and the address of the server."""

    uploads: Uploads
    owner: str
    thread_id: str
    base_url: str


class StoredImages(ResponseStreamConverter):
    """Stores the final image of each generation. Previews, which the final one replaces, stay `data:` URLs."""

    def __init__(self, place: ImagePlace, partial_images: int | None) -> None:
        super().__init__(partial_images=partial_images)
        self._place = place

    async def base64_image_to_url(
        self, image_id: str, base64_image: str, partial_image_index: int | None = None
    ) -> str:
        """Return the signed URL of the stored image, or a `data:` URL for what is none, or can't be stored."""
        in_line = await super().base64_image_to_url(image_id, base64_image, partial_image_index)
        if partial_image_index is not None:
            return in_line
        try:
            content = await in_file_thread(base64.b64decode, base64_image)
        except binascii.Error:
            return in_line
        picture = read_picture(io.BytesIO(content))
        if picture is None or picture.mime_type not in MODEL_IMAGES:
            return in_line
        place = self._place
        try:
            return await place.uploads.add_generated(
                place.owner, place.thread_id, picture.mime_type, content, place.base_url
            )
        except Exception as error:
            # The answer is worth more than the size of its item.
            logger.warning("a generated image could not be stored: %s: %s", type(error).__name__, error)
            return in_line
