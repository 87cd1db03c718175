from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runtime.cli.terminal.client import ChatClient, ChatFault, read_events

CREATED = {"type": "thread.created", "thread": {"id": "thr_1", "status": {"type": "active"}}}
ASKED = {
    "type": "thread.item.done",
    "item": {"id": "msg_u1", "thread_id": "thr_1", "type": "user_message", "content": [{"text": "hi"}]},
}


def part(text: str, *sources: dict[str, Any]) -> dict[str, Any]:
    notes = [{"type": "annotation", "source": source} for source in sources]
    return {"type": "output_text", "text": text, "annotations": notes}


def said(text: str, *sources: dict[str, Any], item_id: str = "msg_1") -> dict[str, Any]:
    return done({"id": item_id, "thread_id": "thr_1", "type": "assistant_message", "content": [part(text, *sources)]})


def done(item: dict[str, Any], kind: str = "done") -> dict[str, Any]:
    return {"type": f"thread.item.{kind}", "item": item}


def delta(text: str, item_id: str = "msg_1") -> dict[str, Any]:
    update = {"type": "assistant_message.content_part.text_delta", "content_index": 0, "delta": text}
    return {"type": "thread.item.updated", "item_id": item_id, "update": update}


def widget(*children: dict[str, Any], item_id: str = "wid_1", **fields: Any) -> dict[str, Any]:
    tree = {"type": "Card", "children": list(children), **fields}
    return {"id": item_id, "thread_id": "thr_1", "type": "widget", "widget": tree}


def button(label: str, action: str, **config: Any) -> dict[str, Any]:
    return {"type": "Button", "label": label, "onClickAction": {"type": action, **config}}


@pytest.fixture
def talk(cli: Callable[..., Any], server: Any) -> Callable[..., Any]:
    """Chat with the fake server, which answers each request with the next of `answers`."""

    def call(answers: list[Any], *messages: str, options: tuple[str, ...] = (), **kwargs: Any) -> Any:
        server.answers.extend(answers)
        said = [argument for message in messages for argument in ("-m", message)]
        return cli("chat", "--url", server.url, *options, *said, **kwargs)

    return call


def test_streamed_text_is_printed_once(talk: Any, server: Any) -> None:
    events = [CREATED, ASKED, done({"id": "msg_1", "type": "assistant_message", "content": []}, "added")]
    ran = talk([[*events, delta("Good "), delta("day"), said("Good day!")]], "hi")
    assert (ran.code, ran.out, ran.err) == (0, "> hi\nGood day!\n", "")
    request = server.requests[0]
    assert request["type"] == "threads.create"
    assert request["params"]["input"]["content"] == [{"type": "input_text", "text": "hi"}]


def test_the_second_message_goes_to_the_same_thread(talk: Any, server: Any) -> None:
    ran = talk([[CREATED, ASKED, said("one")], [said("two", item_id="msg_2")]], "a", "b")
    assert ran.out == "> a\none\n> b\ntwo\n"
    assert server.requests[1]["type"] == "threads.add_user_message"
    assert server.requests[1]["params"]["thread_id"] == "thr_1"


def test_lines_piped_to_standard_input_are_messages(talk: Any, server: Any) -> None:
    ran = talk([[CREATED, said("one")], [said("two")]], stdin="a\n\nb\n")
    assert ran.out == "> a\none\n> b\ntwo\n"


def test_a_text_that_is_replaced_is_printed_anew_and_one_that_is_removed_is_called_withdrawn(talk: Any) -> None:
    removed = {"type": "thread.item.removed", "item_id": "msg_1"}
    assert talk([[CREATED, delta("Secret"), removed]], "a").out == "> a\nSecret\n(the text above was withdrawn)\n"
    assert talk([[CREATED, delta("Secret"), said("Sorry")]], "a").out == "> a\nSecret\nSorry\n"


def test_sources_stand_below_the_text(talk: Any) -> None:
    source = {"type": "url", "title": "Yr", "url": "https://yr.no"}
    assert talk([[CREATED, said("Rain", source)]], "a").out == "> a\nRain\n  [1] Yr https://yr.no\n"


def test_what_is_not_text_gets_a_line_each(talk: Any) -> None:
    events = [
        CREATED,
        {"type": "progress_update", "text": "Looking"},
        {"type": "client_effect", "name": "theme", "data": {"dark": True}},
        {"type": "notice", "level": "warning", "title": "Quota", "message": "nearly used up"},
        {
            "type": "thread.updated",
            "thread": {"id": "thr_1", "title": "Rain", "status": {"type": "locked", "reason": "old"}},
        },
        {"type": "stream_options", "stream_options": {"allow_cancel": True}},
        {"type": "hologram.appeared", "where": "everywhere"},
        done({"id": "i", "type": "generated_image", "image": {"id": "i", "url": "data:" + "A" * 900}}),
        done(
            {
                "id": "w",
                "type": "workflow",
                "workflow": {
                    "type": "reasoning",
                    "tasks": [{"type": "thought", "content": "hmm"}],
                    "summary": {"duration": 3},
                },
            }
        ),
    ]
    assert talk([events], "a").out.splitlines() == [
        "> a",
        "… Looking",
        'effect theme {"dark": true}',
        "warning: Quota: nearly used up",
        "this thread is locked: old",
        f"[image: data:{'A' * 55}… (905 characters)]",
        "· thought for 3 s",
        "hmm",
        "title: Rain",
    ]


def test_an_error_event_ends_a_script_with_one(talk: Any, server: Any) -> None:
    ran = talk(
        [[CREATED, {"type": "error", "message": "the model is asleep", "allow_retry": True}], [said("x")]], "a", "b"
    )
    assert ran.code == 1
    assert "error: the model is asleep (/retry tries again)" in ran.out
    assert len(server.requests) == 2


def test_only_a_failed_answer_can_be_retried(talk: Any) -> None:
    failed = {"type": "error", "message": "it broke", "allow_retry": True}
    first = [CREATED, ASKED, done(widget(button("Go", "go")))]
    assert talk([first, [failed]], "x", "/1").out.endswith("error: it broke\n")
    # The action became a message, so that what failed is its answer.
    assert talk([first, [ASKED, failed]], "x", "/1").out.endswith("error: it broke (/retry tries again)\n")


def test_a_refused_request_shows_its_code_and_id(talk: Any) -> None:
    error = {"error": {"code": "busy", "message": "one turn at a time", "request_id": "req_9"}}
    ran = talk([(409, error)], "a")
    assert ran.code == 1
    assert "error: one turn at a time (busy, HTTP 409, req_9)" in ran.out


def test_an_answer_that_is_no_json_is_shown_short(talk: Any) -> None:
    assert talk([(502, "<html>" * 100)], "a").code == 1


def test_a_widget_is_drawn_and_its_action_sent_with_its_payload(talk: Any, server: Any) -> None:
    first = [
        CREATED,
        done(widget({"type": "Title", "value": "Order"}, button("Confirm", "order.confirm", payload={"id": 7}))),
    ]
    after = [done(widget({"type": "Text", "value": "Confirmed"}), "replaced")]
    ran = talk([first, after], "order", "/1")
    assert ran.code == 0
    assert "[Confirm] /1" in ran.out
    assert "Confirmed" in ran.out
    assert server.requests[1] == {
        "type": "threads.custom_action",
        "params": {
            "thread_id": "thr_1",
            "item_id": "wid_1",
            "action": {"type": "order.confirm", "payload": {"id": 7}},
        },
    }


def test_numbers_go_on_across_the_widgets_of_a_turn(talk: Any, server: Any) -> None:
    first = [CREATED, done(widget(button("A", "a"))), done(widget(button("B", "b"), item_id="wid_2"))]
    talk([first, []], "x", "/2")
    assert server.requests[1]["params"]["item_id"] == "wid_2"


def test_json_behind_a_number_is_merged_into_the_payload(talk: Any, server: Any) -> None:
    form = {
        "type": "Form",
        "onSubmitAction": {"type": "send", "payload": {"id": 7}},
        "children": [
            {"type": "Input", "name": "who", "defaultValue": "Bo"},
            {"type": "Input", "name": "city", "defaultValue": "Oslo"},
        ],
    }
    talk([[CREATED, done(widget(form))], []], "x", '/1 {"who": "Ann"}')
    assert server.requests[1]["params"]["action"]["payload"] == {"id": 7, "who": "Ann", "city": "Oslo"}


def test_a_person_is_asked_for_the_inputs_of_a_form(talk: Any, server: Any) -> None:
    inputs = [
        {"type": "Input", "name": "who", "required": True},
        {"type": "Checkbox", "name": "vip", "label": "VIP"},
        {"type": "Select", "name": "size", "options": [{"value": "s", "label": "Small"}], "defaultValue": "s"},
    ]
    tree = widget(*inputs, asForm=True, confirm={"label": "Go", "action": {"type": "go"}})
    ran = talk([[CREATED, done(tree)], []], typed=["x", "/1", "", "Ann", "yes", "xl", "", "/quit"])
    assert ran.code == 0
    assert "a value is required" in ran.out
    assert "choose one of s" in ran.out
    assert server.requests[1]["params"]["action"]["payload"] == {"who": "Ann", "vip": True, "size": "s"}


FORM = widget(
    {"type": "Input", "name": "who", "label": "Who", "required": True},
    {"type": "Select", "name": "size", "options": [{"value": "s"}, {"value": "l"}], "required": True},
    {"type": "Input", "name": "city", "defaultValue": "Oslo", "required": True},
    {"type": "Input", "name": "note"},
    asForm=True,
    confirm={"label": "Go", "action": {"type": "go"}},
)


def test_a_script_gives_the_required_inputs_of_a_form_on_the_next_lines(talk: Any, server: Any) -> None:
    ran = talk([[CREATED, done(FORM)], []], stdin="x\n/1\nAnn\nl\n")
    assert ran.code == 0
    payload = {"who": "Ann", "size": "l", "city": "Oslo", "note": None}
    assert server.requests[1]["params"]["action"]["payload"] == payload


def test_json_for_a_form_leaves_only_what_is_missing_and_required_to_be_asked(talk: Any, server: Any) -> None:
    talk([[CREATED, done(FORM)], []], "x", '/1 {"who": "Ann", "note": "n"}', "s")
    payload = {"who": "Ann", "size": "s", "city": "Oslo", "note": "n"}
    assert server.requests[1]["params"]["action"]["payload"] == payload


@pytest.mark.parametrize(
    ("lines", "problem"),
    [(["Ann", "xl"], "choose one of s, l"), (["Ann"], "a value is required"), ([], "Who: a value")],
)
def test_a_script_that_does_not_fill_a_form_fails(talk: Any, server: Any, lines: list[str], problem: str) -> None:
    ran = talk([[CREATED, done(FORM)]], "x", "/1", *lines)
    assert ran.code == 1
    assert problem in ran.out
    assert len(server.requests) == 1


def test_a_message_that_a_click_made_is_shown(talk: Any) -> None:
    first = [CREATED, ASKED, done(widget(button("More", "ask.more")))]
    ran = talk([first, [ASKED, said("Well")]], "x", "/1")
    assert ran.out.endswith("> /1\nyou: hi\nWell\n")
    assert ran.out.count("you: ") == 1


def test_a_sync_action_shows_the_item_that_it_updated(talk: Any, server: Any) -> None:
    first = [CREATED, done(widget(button("Star", "star", streaming=False)))]
    ran = talk([first, {"updated_item": widget({"type": "Text", "value": "Starred"})}], "x", "/1")
    assert "Starred" in ran.out
    assert server.requests[1]["type"] == "threads.sync_custom_action"


def test_an_action_of_the_page_is_printed_and_not_sent(talk: Any, server: Any) -> None:
    first = [CREATED, done(widget(button("Open", "tab.open", handler="client", payload={"n": 1})))]
    ran = talk([first], "x", "/1")
    assert 'the page would handle tab.open: {"n": 1}' in ran.out
    assert len(server.requests) == 1


@pytest.mark.parametrize("line", ["/9", "/nonsense", "/retry", "/delete", "/rename x", "/open"])
def test_a_command_that_can_not_be_done_fails_a_script(talk: Any, server: Any, line: str) -> None:
    ran = talk([], line)
    assert ran.code == 1
    assert ran.out.splitlines()[1].startswith("error: ")
    assert server.requests == []


def test_a_streaming_widget_is_drawn_once_in_its_last_state(talk: Any) -> None:
    item = widget({"type": "Text", "id": "t", "value": ""}, {"type": "Badge", "id": "b", "label": "draft"})

    def update(**fields: Any) -> dict[str, Any]:
        return {"type": "thread.item.updated", "item_id": "wid_1", "update": fields}

    events = [
        CREATED,
        done(item, "added"),
        update(type="widget.streaming_text.value_delta", component_id="t", delta="Dear ", done=False),
        update(type="widget.streaming_text.value_delta", component_id="t", delta="Ann", done=True),
        update(type="widget.component.updated", component_id="b", component={"type": "Badge", "label": "final"}),
    ]
    out = talk([events], "x").out
    assert out.count("╭") == 1
    assert "Dear Ann" in out
    assert "(final)" in out


def tool_call(status: str = "pending", **fields: Any) -> dict[str, Any]:
    call = {"id": "ctc_1", "type": "client_tool_call", "status": status, "call_id": "c", "name": "pick", **fields}
    return {"arguments": {"project": "p"}, **call}


def test_a_client_tool_takes_its_result_from_the_next_message(talk: Any, server: Any) -> None:
    ran = talk([[CREATED, done(tool_call())], [said("Two nodes")]], "pick", '["n1", "n2"]')
    assert ran.code == 0
    assert 'client tool pick {\n  "project": "p"\n}' in ran.out
    assert ran.out.endswith("Two nodes\n")
    expected = {"thread_id": "thr_1", "result": ["n1", "n2"]}
    assert server.requests[1] == {"type": "threads.add_client_tool_output", "params": expected}


def test_a_script_that_leaves_a_client_tool_open_fails(talk: Any) -> None:
    ran = talk([[CREATED, done(tool_call())]], "pick")
    assert ran.code == 1
    assert "client tool 'pick' got no result" in ran.out


def test_a_script_whose_result_is_no_json_fails(talk: Any) -> None:
    ran = talk([[CREATED, done(tool_call())]], "pick", "oops")
    assert ran.code == 1
    assert "'oops' is not JSON" in ran.out


def test_a_person_may_try_a_result_again(talk: Any, server: Any) -> None:
    ran = talk([[CREATED, done(tool_call())], [said("ok")]], typed=["pick", "oops", "null", "/quit"])
    assert ran.code == 0
    assert "not JSON" in ran.out
    assert server.requests[1]["params"]["result"] is None


def test_questions_are_asked_one_by_one(talk: Any, server: Any) -> None:
    inputs = [
        {"id": "q1", "type": "multiple_choice", "question": "Size?", "options": [{"value": "S"}, {"value": "L"}]},
        {"id": "q2", "type": "multiple_choice", "question": "Which?", "options": [{"value": "a"}], "multiple": True},
        {"id": "q3", "type": "freeform", "question": "Why?", "description": "in short"},
    ]
    item = {"id": "si_1", "type": "structured_input", "status": "pending", "inputs": inputs}
    ran = talk([[CREATED, done(item)], [said("Thanks")]], "buy", "2", "1, other", "")
    assert ran.code == 0
    for shown in ("Size?", "  1 S", "  2 L", "in short"):
        assert shown in ran.out
    assert server.requests[1]["params"] == {
        "thread_id": "thr_1",
        "item_id": "si_1",
        "input": {
            "status": "answered",
            "answers": {
                "q1": {"values": ["L"], "skipped": False},
                "q2": {"values": ["a", "other"], "skipped": False},
                "q3": {"values": [], "skipped": True},
            },
        },
    }


def test_an_empty_chat_shows_its_greeting_and_its_prompts_can_be_picked(talk: Any, server: Any) -> None:
    server.screen = {"greeting": "Where to?", "prompts": [{"label": "Oslo", "prompt": "Weather in Oslo"}]}
    ran = talk([[CREATED, said("Sunny")]], "/1")
    assert ran.out == "Where to?\n  /1 Oslo\n> /1\nSunny\n"
    assert server.requests[0]["params"]["input"]["content"][0]["text"] == "Weather in Oslo"


def test_a_start_prompt_takes_no_json(talk: Any, server: Any) -> None:
    server.screen = {"prompts": [{"label": "Oslo", "prompt": "Weather in Oslo"}]}
    ran = talk([], '/1 {"city": "Bergen"}')
    assert ran.code == 1
    assert "a start prompt takes no JSON" in ran.out
    assert server.requests == []


def test_json_prints_events_and_nothing_else(talk: Any, server: Any) -> None:
    server.screen = {"greeting": "Where to?"}
    events = [CREATED, said("a\u2028b")]
    ran = talk([events], "hi", options=("--json",))
    assert [json.loads(line) for line in ran.out.split("\n") if line] == events


def test_json_prints_failures_on_standard_error(talk: Any) -> None:
    ran = talk([(404, {"error": {"code": "not_found", "message": "gone"}})], "hi", options=("--json",))
    assert (ran.code, ran.out) == (1, "")
    assert "error: gone (not_found, HTTP 404)" in ran.err


def test_headers_go_with_every_request(talk: Any, server: Any) -> None:
    talk([[CREATED]], "hi", options=("-H", "X-User: ann", "-H", "Authorization: Bearer a:b"))
    assert server.headers[0]["x-user"] == "ann"
    assert server.headers[0]["authorization"] == "Bearer a:b"


def test_a_header_without_a_colon_is_wrong_usage(talk: Any) -> None:
    ran = talk([], "hi", options=("-H", "nonsense"))
    assert ran.code == 2
    assert "'nonsense' must look like 'Name: value'" in ran.err


def test_a_thread_is_continued_without_printing_it_to_a_script(talk: Any, server: Any) -> None:
    meta = {"id": "thr_7", "title": "Trip"}
    items = {"data": [said("old")["item"], {**ASKED["item"], "thread_id": "thr_7"}], "has_more": False}
    ran = talk([meta, items, [said("new", item_id="m2")]], "more", options=("--thread", "thr_7"))
    assert ran.out == "> more\nnew\n"
    assert server.requests[2]["params"]["thread_id"] == "thr_7"


def test_a_thread_that_is_not_there_fails(talk: Any) -> None:
    ran = talk([(404, {"error": {"code": "not_found", "message": "no such thread"}})], "x", options=("--thread", "t"))
    assert ran.code == 1
    assert "no such thread" in ran.err


def test_threads_are_listed_opened_renamed_retried_and_deleted(talk: Any, server: Any) -> None:
    listed = {"data": [{"id": "thr_a", "title": "First", "created_at": "2026-01-02T03:04:05"}, {"id": "thr_b"}]}
    items = {"data": [said("old answer")["item"], {**ASKED["item"], "thread_id": "thr_b"}]}
    first = {"data": [{**ASKED["item"], "content": [{"text": "How will\nthe weather be? " + "x" * 60}]}]}
    again = [said("again", item_id="m2")]
    answers = [listed, first, {"id": "thr_b", "title": None}, items, again, {"title": "New"}, {}]
    ran = talk(answers, "/threads", "/open 2", "/retry", "/rename New", "/delete")
    assert ran.code == 0
    assert "  1  thr_a  2026-01-02T03:04  First" in ran.out
    assert f"  2  thr_b  None  “How will the weather be? {'x' * 35}…”" in ran.out
    assert "you: hi\nold answer" in ran.out
    assert ran.out.endswith("> /delete\ndeleted\n")
    assert [(request["type"], request["params"].get("thread_id")) for request in server.requests[4:]] == [
        ("threads.retry_after_item", "thr_b"),
        ("threads.update", "thr_b"),
        ("threads.delete", "thr_b"),
    ]
    assert server.requests[4]["params"]["item_id"] == "msg_u1"


def test_a_thread_is_opened_by_its_number_although_nobody_listed_them(talk: Any, server: Any) -> None:
    listed = {"data": [{"id": "thr_a"}, {"id": "thr_b"}]}
    assert talk([listed, {"id": "thr_b"}, {"data": []}], "/open 2").code == 0
    assert server.requests[1]["params"] == {"thread_id": "thr_b"}


def test_a_thread_without_a_title_and_without_words_is_listed_as_such(talk: Any) -> None:
    gone = (404, {"error": {"message": "gone"}})
    ran = talk([{"data": [{"id": "thr_a"}, {"id": "thr_b"}]}, {"data": []}, gone], "/threads")
    assert ran.code == 0
    assert ran.out.count("(no title)") == 2


def test_new_begins_another_thread(talk: Any, server: Any) -> None:
    talk([[CREATED], [CREATED]], "a", "/new", "b")
    assert [request["type"] for request in server.requests] == ["threads.create", "threads.create"]


def test_opening_a_thread_that_waits_for_a_tool_asks_for_its_result(talk: Any, server: Any) -> None:
    answers = [{"id": "thr_1"}, {"data": [tool_call()]}, [said("Thanks")]]
    ran = talk(answers, options=("--thread", "thr_1"), typed=["7", "/quit"])
    assert "Thanks" in ran.out
    assert server.requests[2]["params"]["result"] == 7


def test_two_slashes_send_a_message_that_begins_with_one(talk: Any, server: Any) -> None:
    talk([[CREATED]], "//help")
    assert server.requests[0]["params"]["input"]["content"][0]["text"] == "/help"


def test_a_person_sees_help_and_ends_with_ctrl_d(talk: Any) -> None:
    ran = talk([], typed=["/help"])
    assert ran.code == 0
    assert "/rename TITLE" in ran.out
    assert "(/help lists the commands)" in ran.out


def test_a_persons_failed_turn_does_not_fail_the_command(talk: Any) -> None:
    assert talk([[CREATED, {"type": "error", "message": "no"}]], typed=["x", "/quit"]).code == 0


def test_ctrl_c_at_the_prompt_ends_with_130(talk: Any) -> None:
    assert talk([], typed=["^C"]).code == 130


def test_ctrl_c_while_an_answer_streams_stops_the_answer_alone(talk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: ChatClient, *args: Any) -> Iterator[dict[str, Any]]:
        yield CREATED
        yield delta("So")
        raise KeyboardInterrupt

    monkeypatch.setattr(ChatClient, "stream", interrupted)
    ran = talk([], typed=["x", "/quit"])
    assert ran.code == 0
    assert "So\n\n(stopped)" in ran.out


def test_a_project_and_a_url_are_one_too_many(cli: Callable[..., Any]) -> None:
    ran = cli("chat", "small", "--url", "http://127.0.0.1:1")
    assert ran.code == 2
    assert "not both" in ran.err


def test_a_server_that_is_not_there_is_named(cli: Callable[..., Any], server: Any) -> None:
    ran = cli("chat", "--url", "http://127.0.0.1:9/chatkit", "-m", "hi")
    assert ran.code == 1
    assert "no server answers at http://127.0.0.1:9/chatkit" in ran.out


def test_a_url_that_is_none_is_wrong_usage(cli: Callable[..., Any]) -> None:
    assert cli("chat", "--url", "127.0.0.1:8000", "-m", "hi").code == 2


def test_a_url_without_a_path_means_chatkit() -> None:
    with ChatClient("http://127.0.0.1:8000") as client:
        assert client.url == "http://127.0.0.1:8000/chatkit"
    with ChatClient("http://127.0.0.1:8000/") as client:
        assert client.url == "http://127.0.0.1:8000/"


def test_events_survive_any_split_of_the_bytes_and_any_line_separator() -> None:
    events = [{"text": "a\u2028b\x85c\x1cd"}, {"text": "é 日"}]
    body = b": ping\n\n" + b"".join(f"data: {json.dumps(e, ensure_ascii=False)}\r\n\r\n".encode() for e in events)
    assert list(read_events(bytes([byte]) for byte in body)) == events
    assert list(read_events([body])) == events


def test_an_event_that_is_no_json_is_a_fault() -> None:
    with pytest.raises(ChatFault, match="not JSON"):
        list(read_events([b"data: {oops\n\n"]))


def test_a_stream_that_breaks_off_keeps_what_was_said_and_fails_a_script(talk: Any) -> None:
    ran = talk([[CREATED, delta("So far"), ValueError("the server crashed")]], "hi")
    assert ran.code == 1
    assert ran.out.startswith("> hi\nSo far\nerror: the connection to http://127.0.0.1:")


def test_a_json_answer_to_a_streaming_request_is_a_fault(server: Any) -> None:
    server.answers.append({"ok": True})
    with ChatClient(server.url) as client, pytest.raises(ChatFault, match="no event stream"):
        list(client.stream("threads.create", {}))
