"""What kind of file its first bytes say it is: enough to find out that a picture is none."""

from __future__ import annotations

_MAGIC: dict[str, tuple[bytes, ...]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "application/pdf": (b"%PDF-",),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06"),
}
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!")


def contradicts(head: bytes, mime_type: str) -> bool:
    """Tell whether a file that begins so can't be of that type."""
    if mime_type == "image/webp":
        return not (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    if mime_type in _MAGIC:
        return not head.startswith(_MAGIC[mime_type])
    if mime_type.startswith("text/"):
        return b"\0" in head
    return mime_type.startswith("image/") and head.startswith(_PROGRAMS)
