from __future__ import annotations

import io

import pytest

from runtime.server.attachments.content import (
    MAX_PIXELS,
    Picture,
    decode_text,
    normal_mime_type,
    read_picture,
    why_refused,
)
from tests.server.attachments.pictures import bmp, gif, heif, jpeg, pdf, png, webp

PICTURES = [
    (png(7, 5), Picture("image/png", 7, 5)),
    (jpeg(7, 5), Picture("image/jpeg", 7, 5)),
    (jpeg(7, 5, metadata=60), Picture("image/jpeg", 7, 5)),
    (gif(7, 5), Picture("image/gif", 7, 5)),
    (webp(b"VP8 ", 7, 5), Picture("image/webp", 7, 5)),
    (webp(b"VP8L", 7, 5), Picture("image/webp", 7, 5)),
    (webp(b"VP8X", 7, 5), Picture("image/webp", 7, 5)),
    (bmp(7, -5), Picture("image/bmp", 7, 5)),
    (b"II*\0" + b"\x08\0\0\0" + b"\0" * 6, Picture("image/tiff")),
    (heif(b"avif", b"mif1"), Picture("image/avif")),
    (heif(b"mif1", b"heic"), Picture("image/heic")),
    (heif(b"mif1"), Picture("image/heif")),
]


@pytest.mark.parametrize(("content", "picture"), PICTURES)
def test_a_picture_is_known_by_its_header(content: bytes, picture: Picture) -> None:
    assert read_picture(io.BytesIO(content)) == picture
    assert why_refused(io.BytesIO(content), picture.mime_type) is None


@pytest.mark.parametrize(("content", "picture"), PICTURES)
def test_a_truncated_header_is_no_picture(content: bytes, picture: Picture) -> None:
    for length in range(12):
        assert read_picture(io.BytesIO(content[:length])) is None
        assert "no image" in str(why_refused(io.BytesIO(content[:length]), picture.mime_type))


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + b"pixels",
        png(3, 2).replace(b"IHDR", b"IHDx"),
        png(3, 2)[:20] + b"\0\0\0\x09" + png(3, 2)[24:],  # the checksum of other dimensions
        png(0, 2),
        png(3, 2)[:30],
        jpeg()[:100_000],
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe1\x00\x00" + b"\xff" * 100,
        b"\xff\xd8\xff" + b"\xff" * 100,
        gif(0, 1),
        webp(b"VP8 ", 0, 1),
        webp(b"ICCP"),
        b"RIFF\0\0\0\0WEBP",
        bmp(0, 1),
        heif(b"isom", b"mp42"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script></html>",
        b"GIF89a=1;alert(1)"[:12],
        pdf(b""),
        b"MZ" + b"\0" * 100,
        b"",
    ],
)
def test_what_is_no_picture_is_none_under_any_name(content: bytes) -> None:
    for mime_type in ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/heic"):
        assert why_refused(io.BytesIO(content), mime_type) is not None


def test_a_picture_under_the_name_of_another_is_refused_with_its_real_type() -> None:
    assert why_refused(io.BytesIO(jpeg()), "image/png") == "is image/jpeg, not image/png"
    assert why_refused(io.BytesIO(heif(b"mif1")), "image/heic") is None


@pytest.mark.parametrize(
    "content", [png(100_000, 100_000), jpeg(65_000, 65_000), gif(65_535, 65_535), webp(b"VP8X", 2**24, 2**24)]
)
def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header(content: bytes) -> None:
    picture = read_picture(io.BytesIO(content))
    assert picture is not None
    refused = why_refused(io.BytesIO(content), picture.mime_type)
    assert refused == f"has {picture.width} x {picture.height} pixels; at most {MAX_PIXELS:,} are allowed"


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (b"<html>", "image/svg+xml"),
        (b"<svg>\0", "image/svg+xml"),
        (b"plain", "application/pdf"),
        (b"plain", "application/zip"),
        (b"a\0b", "text/plain"),
        (b"a\0b", "text/csv"),
        (b"\x7fELF", "image/vnd.djvu"),
    ],
)
def test_other_files_are_checked_as_far_as_they_can_be(content: bytes, mime_type: str) -> None:
    assert mime_type in str(why_refused(io.BytesIO(content), mime_type))


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (b"<?xml version='1.0'?><svg/>", "image/svg+xml"),
        (b"PK\x03\x04", "application/zip"),
        ("€".encode(), "text/plain"),
        ("a".encode("utf-16"), "text/plain"),
        (b"\0\1", "application/octet-stream"),
    ],
)
def test_files_of_their_type_are_accepted(content: bytes, mime_type: str) -> None:
    assert why_refused(io.BytesIO(content), mime_type) is None


@pytest.mark.parametrize(
    ("text", "mime_type"),
    [
        ("image/png", "image/png"),
        (" Image/PNG ; q=1", "image/png"),
        ("image/jpg", "image/jpeg"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",) * 2,
        ("image/svg+xml", "image/svg+xml"),
        ("image/png\r\nset-cookie: a=b", None),
        ("image/png\n", None),
        ("image/ png", None),
        ("image/", None),
        ("/png", None),
        ("image", None),
        ("", None),
        ("image/png/x", None),
        ("image/*", None),
        ("image/pn\u0261", None),
        ("image/" + "x" * 128, None),
        ("image/\0", None),
    ],
)
def test_a_mime_type_follows_the_grammar(text: str, mime_type: str | None) -> None:
    assert normal_mime_type(text) == mime_type


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Neun €".encode(), "Neun €"),
        ("Neun €".encode("utf-8-sig"), "Neun €"),
        ("Neun €".encode("utf-16"), "Neun €"),
        ("Neun €".encode("cp1252"), "Neun \ufffd"),
        (b"x" * 100, "x" * 11),
        (("😀" * 100).encode(), "😀" * 11),
    ],
)
def test_text_is_decoded_as_far_as_it_is_needed(content: bytes, text: str) -> None:
    assert decode_text(content, 10) == text
