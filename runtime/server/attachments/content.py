"""Check that the content of a file is of its type: the magic bytes, and for pictures the size in their header.

No picture is decoded. Libraries that know magic bytes (filetype, puremagic) take a truncated header for a picture and
read no dimensions; those that read them (Pillow) bring decoders, which are what hostile pictures attack.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import IO

SVG = "image/svg+xml"
MAX_PIXELS = 200_000_000
"""The most pixels of a picture, about those of the best phone: a few bytes can announce more than any memory holds."""
_HEAD = 4096
_MAX_SEGMENTS = 10_000
_MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}

MODEL_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The types that models read as images."""
CHECKED_IMAGES = MODEL_IMAGES | {"image/bmp", "image/tiff", "image/avif", "image/heic", "image/heif"}
"""The types of images whose content can be checked."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the header of a picture says; the dimensions are 0 where it is not read."""

    mime_type: str
    width: int = 0
    height: int = 0


def normal_mime_type(text: str) -> str | None:
    """Return a MIME type in lower case, without parameters and with its usual name; None if it is none (RFC 6838)."""
    mime_type = text.partition(";")[0].strip(" \t").lower()
    return _ALIASES.get(mime_type, mime_type) if _MIME_TYPE.fullmatch(mime_type) else None


def why_refused(file: IO[bytes], mime_type: str) -> str | None:
    """Return why a file can't be of a type, in words that follow its name, or None. It is read from its beginning."""
    if mime_type in CHECKED_IMAGES:
        picture = read_picture(file)
        if picture is None:
            return f"is no image, or its header is damaged; its type is {mime_type!r}"
        if not _same_format(picture.mime_type, mime_type):
            return f"is {picture.mime_type}, not {mime_type}"
        if picture.width * picture.height > MAX_PIXELS:
            return f"has {picture.width} x {picture.height} pixels; at most {MAX_PIXELS:,} are allowed"
        return None
    file.seek(0)
    head = file.read(_HEAD)
    if mime_type == SVG:
        return None if b"<svg" in head and b"\0" not in head else f"does not match its type {mime_type!r}"
    if mime_type in _MAGIC:
        return None if head.startswith(_MAGIC[mime_type]) else f"does not match its type {mime_type!r}"
    if mime_type.startswith("text/") and b"\0" in head and not head.startswith(_UTF_16):
        return f"does not match its type {mime_type!r}"
    if mime_type.startswith("image/") and head.startswith(_PROGRAMS):
        return f"does not match its type {mime_type!r}"
    return None


def decode_text(content: bytes, most: int) -> str:
    """Return the text of a file, at most `most` characters and one more if there are more."""
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8-sig"
    return content[: 4 * (most + 2)].decode(encoding, "replace")[: most + 1]


def read_picture(file: IO[bytes]) -> Picture | None:
    """Return the type and the dimensions of a picture, or None if the file is none with a whole header."""
    file.seek(0)
    head = file.read(64)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(head)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(file)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return _sized("image/gif", head[6:8], head[8:10], "little") if len(head) >= 13 else None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    if head.startswith(b"BM"):
        return _bmp(head)
    if head.startswith((b"II*\0", b"MM\0*")):
        return Picture("image/tiff") if len(head) >= 14 else None
    if head[4:8] == b"ftyp":
        return _heif(head)
    return None


def _png(head: bytes) -> Picture | None:
    chunk = head[12:29]
    if head[8:16] != b"\0\0\0\x0dIHDR" or head[29:33] != zlib.crc32(chunk).to_bytes(4, "big"):
        return None
    return _sized("image/png", head[16:20], head[20:24], "big")


def _jpeg(file: IO[bytes]) -> Picture | None:
    """Walk the segments up to the frame header, which may come after megabytes of metadata."""
    file.seek(2)
    for _ in range(_MAX_SEGMENTS):
        marker = file.read(2)
        while len(marker) == 2 and marker[0] == 0xFF and marker[1] == 0xFF:
            marker = marker[1:] + file.read(1)
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        length = file.read(2)
        if len(length) < 2 or (size := int.from_bytes(length, "big")) < 2:
            return None
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
            frame = file.read(6)
            return _sized("image/jpeg", frame[3:5], frame[1:3], "big") if len(frame) == 6 else None
        if marker[1] in (0xD9, 0xDA):
            return None
        file.seek(size - 2, 1)
    return None


def _webp(head: bytes) -> Picture | None:
    kind, data = head[12:16], head[20:30]
    if len(data) < 10:
        return None
    if kind == b"VP8X":
        return Picture("image/webp", _little(data[4:7]) + 1, _little(data[7:10]) + 1)
    if kind == b"VP8L" and data[0] == 0x2F:
        bits = _little(data[1:5])
        return Picture("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        width, height = _little(data[6:8]) & 0x3FFF, _little(data[8:10]) & 0x3FFF
        return Picture("image/webp", width, height) if width and height else None
    return None


def _bmp(head: bytes) -> Picture | None:
    if len(head) < 26:
        return None
    if _little(head[14:18]) == 12:
        return _sized("image/bmp", head[18:20], head[20:22], "little")
    # The height of a picture whose rows run from the top is negative.
    height = abs(int.from_bytes(head[22:26], "little", signed=True))
    width = _little(head[18:22])
    return Picture("image/bmp", width, height) if width and height else None


def _heif(head: bytes) -> Picture | None:
    box = head[8 : min(int.from_bytes(head[:4], "big"), len(head))]
    brands = {box[:4], *(box[at : at + 4] for at in range(8, len(box), 4))}
    if brands & {b"avif", b"avis"}:
        return Picture("image/avif")
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}:
        return Picture("image/heic")
    return Picture("image/heif") if brands & {b"mif1", b"msf1"} else None


def _sized(mime_type: str, width: bytes, height: bytes, order: str) -> Picture | None:
    numbers = [int.from_bytes(each, "big" if order == "big" else "little") for each in (width, height)]
    return Picture(mime_type, numbers[0], numbers[1]) if all(numbers) else None


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _same_format(seen: str, declared: str) -> bool:
    heif = ("image/heic", "image/heif")
    return seen == declared or (seen in heif and declared in heif)


# The first bytes of a file, enough to detect that it is not of its type.
_MAGIC: dict[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06"),
}
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
