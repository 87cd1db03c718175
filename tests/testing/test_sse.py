import pytest

from runtime.testing import parse_events


def test_events_are_read_in_order_and_pings_left_out() -> None:
    body = ': ping\n\ndata: {"type": "a"}\n\n: ping\n\nevent: x\nid: 1\ndata: {"type": "b", "text": "größe"}\n\n'
    assert parse_events(body) == parse_events(body.encode()) == [{"type": "a"}, {"type": "b", "text": "größe"}]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_line_ending_of_the_standard_is_read(newline: str) -> None:
    body = newline.join(['data: {"a":', "data: 1}", "", ": ping", "", 'data:{"b": 2}', "", ""])
    assert parse_events(body) == [{"a": 1}, {"b": 2}]


def test_a_line_separator_inside_a_text_is_no_line_ending() -> None:
    assert parse_events('data: {"a": "x\u2028y\x85z"}\n\n') == [{"a": "x\u2028y\x85z"}]


def test_the_end_mark_of_openai_is_no_event() -> None:
    assert parse_events(b'data: {"a": 1}\n\ndata: [DONE]\n\n') == [{"a": 1}]


def test_an_empty_body_has_no_events() -> None:
    assert parse_events(b"") == []


def test_a_stream_cut_inside_an_event_is_refused() -> None:
    with pytest.raises(ValueError, match="cut inside an event"):
        parse_events('data: {"a": 1}\n\ndata: {"a"')


def test_an_event_that_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        parse_events("data: 1\n\n")
