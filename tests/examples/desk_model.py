"""What the desk's model says that a script can't: it draws, and it cites its sources."""

from __future__ import annotations

from tests.examples.example_model import Output, image, message, response

SOURCES = (
    {
        "type": "url_citation",
        "url": "https://example.com/couriers",
        "title": "Couriers",
        "start_index": 0,
        "end_index": 18,
    },
    {"type": "file_citation", "file_id": "file_0", "filename": "", "index": 9},
    {"type": "file_citation", "file_id": "file_1", "filename": "handbook.pdf", "index": 30},
)


def draw_or_cite(user: str) -> Output | None:
    """The events that answer this text of the user's; None where the script does."""
    if user.startswith("draw"):
        return response(image(), message("Here is ", "your label."))
    if user.startswith("cite"):
        return response(message("Couriers are fast.", "They say so.", sources=SOURCES))
    return None
