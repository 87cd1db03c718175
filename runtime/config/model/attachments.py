"""The key `chat.attachments`: what users may attach, how much of it, and where it is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.config.model.types import PositiveDuration, Secret, Section, Size

MIME_PATTERN = r"^[A-Za-z0-9!#$&^_.+-]+/(\*|[A-Za-z0-9!#$&^_.+-]+)$"
STORE_PATTERN = r"^(\.?\.?/.*|[A-Za-z0-9_.-][A-Za-z0-9_./-]*|s3://[A-Za-z0-9.-]+(/.*)?|\$\{.+)$"


class Attachments(Section):
    """What users may attach to a message."""

    accept: list[Annotated[str, Field(pattern=MIME_PATTERN)]] = Field(
        ["image/*", "application/pdf", "text/*"], min_length=1
    )
    """The MIME types that are taken; `image/*` for all of a kind."""
    max_size: Size = 20 * 1024 * 1024
    """The largest file."""
    max_count: int = Field(10, ge=1, le=100)
    """The most files of one message."""
    store: str = Field("./.chatkit/files", pattern=STORE_PATTERN, min_length=1)
    """A folder, from the project folder, or `s3://bucket/prefix` (pip install 'chatkit-runtime[s3]')."""
    options: dict[str, str] = {}
    """For S3: `endpoint`, `region`, `access_key_id` and the rest that obstore's S3Store takes; by default the
    environment's."""
    upload: Literal["two_phase", "direct"] = "two_phase"
    """How the page uploads: to a signed URL that it is given for each file, or with a form to `/chatkit/files`."""
    secret: Secret | None = None
    """What signs the URLs; made once and kept beside the files when left out."""
    keep_unsent: PositiveDuration = 86400.0
    """How long a file is kept that no message was sent with."""
