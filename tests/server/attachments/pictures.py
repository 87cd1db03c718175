"""Files for the tests: pictures with real headers, and PDFs that are harmless or hostile."""

from __future__ import annotations

import io
import struct
import zlib

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject


def png(width: int = 1, height: int = 1) -> bytes:
    """A whole picture of one grey pixel, whose header announces other dimensions where they are given."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def jpeg(width: int = 3, height: int = 2, metadata: int = 2) -> bytes:
    """The segments of a JPEG up to its frame header, behind some segments of metadata."""
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", 60_002) + b"x" * 60_000 for _ in range(metadata))
    frame = struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + segments + b"\xff\xff\xc2" + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00data\xff\xd9"


def gif(width: int = 3, height: int = 2) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def webp(kind: bytes, width: int = 3, height: int = 2) -> bytes:
    match kind:
        case b"VP8X":
            data = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        case b"VP8L":
            data = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + b"\0" * 5
        case _:
            data = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(width: int = 3, height: int = -2) -> bytes:
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHH", 40, width, height, 1, 24) + b"\0" * 24


def heif(*brands: bytes) -> bytes:
    box = b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return struct.pack(">I", len(box) + 4) + box + b"meta"


def pdf(*pages: bytes) -> bytes:
    """A PDF whose pages have these content streams, compressed."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for content in pages:
        page = writer.add_blank_page(200, 200)
        stream = DecodedStreamObject()
        stream.set_data(content)
        page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def text_page(text: str) -> bytes:
    return f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode()


def raw_pdf(*objects: bytes) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    made, offsets = b"%PDF-1.7\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(made))
    return made + head + table + trailer


CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
ONE_PAGE = b"<</Type/Pages/Count 1/Kids[3 0 R]>>"


def deep_pdf(depth: int = 5000) -> bytes:
    """A page tree of this depth."""
    nodes = [b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % (number + 3) for number in range(depth)]
    return raw_pdf(CATALOG, *nodes, b"<</Type/Page/MediaBox[0 0 9 9]>>")


def looping_pdf() -> bytes:
    """A page tree that contains itself."""
    return raw_pdf(CATALOG, b"<</Type/Pages/Count 1/Kids[2 0 R]>>")


def bomb_pdf(size: int = 200_000_000) -> bytes:
    """A page whose content decompresses three times, to this many bytes."""
    data = zlib.compress(zlib.compress(zlib.compress(b"\0" * size, 9), 9), 9)
    filters = b"/Filter[/FlateDecode/FlateDecode/FlateDecode]"
    stream = b"<</Length %d%b>>stream\n%b\nendstream" % (len(data), filters, data)
    return raw_pdf(CATALOG, ONE_PAGE, b"<</Type/Page/MediaBox[0 0 9 9]/Contents 4 0 R>>", stream)


def object_stream_pdf(count: int = 50_000) -> bytes:
    """A page that consists of many streams in one object stream, which a reader may decode anew for each of them."""
    index = b" ".join(b"%d %d" % (number + 6, number * 3) for number in range(count))
    data = zlib.compress(index + b" " + b"[] " * count)
    kind = b"/Type/ObjStm/N %d/First %d/Filter/FlateDecode" % (count, len(index) + 1)
    contents = b" ".join(b"%d 0 R" % (number + 6) for number in range(5000))
    objects = [
        CATALOG,
        ONE_PAGE,
        b"<</Type/Page/MediaBox[0 0 9 9]/Contents[%b]>>" % contents,
        b"<<%b/Length %d>>stream\n%b\nendstream" % (kind, len(data), data),
    ]
    made, rows = b"%PDF-1.7\n", [struct.pack(">BIH", 0, 0, 0)]
    for number, text in enumerate(objects, 1):
        rows.append(struct.pack(">BIH", 1, len(made), 0))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, text)
    rows.append(struct.pack(">BIH", 1, len(made), 0))
    rows += [struct.pack(">BIH", 2, 4, number) for number in range(count)]
    table = zlib.compress(b"".join(rows))
    head = b"<</Type/XRef/Size %d/W[1 4 2]/Root 1 0 R/Filter/FlateDecode/Length %d>>" % (len(rows), len(table))
    return made + b"5 0 obj\n%b\nstream\n%b\nendstream\nendobj\nstartxref\n%d\n%%%%EOF" % (head, table, len(made))


def nested_pdf(count: int = 2_000_000) -> bytes:
    """A page whose content is nothing but the beginnings of arrays."""
    data = zlib.compress(b"[" * count)
    stream = b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(data), data)
    return raw_pdf(CATALOG, ONE_PAGE, b"<</Type/Page/MediaBox[0 0 9 9]/Contents 4 0 R>>", stream)


def slow_pdf(count: int = 3_000_000) -> bytes:
    """A page with text, and one that draws letters for minutes, in a few hundred kilobytes."""
    return pdf(text_page("Page one."), b"BT /F1 12 Tf (a) Tj ET\n" * count)
