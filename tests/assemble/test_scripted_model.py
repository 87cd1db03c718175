import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, ModelSettings, ModelTracing, RunConfig, Runner, function_tool
from agents.items import ItemHelpers
from chatkit.agents import ThreadItemConverter
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    CustomTask,
    GeneratedImage,
    GeneratedImageItem,
    HiddenContextItem,
    InferenceOptions,
    SDKHiddenContextItem,
    StructuredInputAnswer,
    StructuredInputFreeform,
    StructuredInputItem,
    TaskItem,
    UserMessageItem,
    UserMessageTextContent,
    WidgetItem,
    Workflow,
    WorkflowItem,
)
from chatkit.widgets import Card, Text

from runtime.assemble.scripted_model import (
    ScriptedConversation,
    ScriptedFailure,
    ScriptError,
    load_script,
    read_situation,
)
from runtime.scripts.player import Call, Fail, PastCall, Say, Situation, Think

QUIET = RunConfig(tracing_disabled=True)
WEATHER = {
    "turns": [
        {
            "user": "/weather in (?P<city>[a-z ]+)/",
            "reply": [
                {"think": "They want numbers."},
                {"say": "Let me look at {{ match.city }}."},
                {"call": {"get_weather": {"city": "{{ match.city }}", "days": "{{ 1 + 2 }}"}}},
                {"say": "{{ data.summary }}"},
            ],
        },
        {"user": "bye", "reply": "Goodbye."},
    ],
    "otherwise": "I have no answer to {{ user }}.",
}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def call(name: str, call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "name": name, "call_id": call_id, "arguments": "{}"}


def output(call_id: str, text: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def hidden(text: str) -> dict[str, Any]:
    wrapped = f"Hidden context for the agent (not shown to the user):\n<HiddenContext>\n{text}\n</HiddenContext>"
    return user(wrapped)


def steps(script: dict[str, Any], items: Any, **seen: Any) -> list[Any]:
    return ScriptedConversation.from_data(script, "script.yaml").steps(read_situation(items, **seen))


def stream(model: ScriptedConversation, items: Any, instructions: str | None = None) -> Any:
    settings = ModelSettings()
    return model.stream_response(instructions, items, settings, [], None, [], ModelTracing.DISABLED)


async def events_of(model: ScriptedConversation, items: Any) -> list[Any]:
    return [event async for event in stream(model, items)]


# Matching


@pytest.mark.parametrize(
    ("pattern", "words", "fits"),
    [
        ("hi", "HI there", True),
        ("hi", "this one", False),
        ("two words", "the two   Words", True),
        (["bye", "ciao"], "Ciao!", True),
        ("/^so$/", "so", True),
        ("/^so$/", "so so", False),
        ("what?", "What?", True),
        ("größe", "Die GRÖSSE?", False),
        ("größe", "Die GRÖßE?", True),
    ],
)
def test_words_match_whole_and_in_any_case(pattern: Any, words: str, fits: bool) -> None:
    script = {"turns": [{"user": pattern, "reply": "yes"}], "otherwise": "no"}
    assert steps(script, [user(words)]) == [Say("yes" if fits else "no")]


def test_the_first_turn_that_fits_replies() -> None:
    script = {"turns": [{"user": "a", "reply": "1"}, {"user": "a", "reply": "2"}]}
    assert steps(script, "a") == [Say("1")]


def test_all_keys_of_a_turn_must_fit() -> None:
    turn = {"user": "hi", "instructions": "/title/", "agent": ["Scout"], "tools": ["map", "route"], "reply": "yes"}
    script = {"turns": [turn], "otherwise": "no"}
    seen = {"instructions": "Write a TITLE", "agent": "scout", "tools": ["map", "route", "x"]}
    assert steps(script, "hi", **seen) == [Say("yes")]
    for change in ({"instructions": ""}, {"agent": "other"}, {"tools": ["map"]}):
        assert steps(script, "hi", **{**seen, **change}) == [Say("no")]


def test_only_the_last_words_of_the_user_count() -> None:
    items = [user("weather in Oslo"), assistant("Sunny."), user("bye")]
    assert steps(WEATHER, items) == [Say("Goodbye.")]


def test_nothing_that_fits_is_an_error_that_names_the_words() -> None:
    with pytest.raises(ScriptError, match=re.escape("script.yaml: turns: no turn fits 'what' (add a turn, or")):
        steps({"turns": [{"user": "hi", "reply": "yes"}]}, "what")


# How far a reply has come


def test_a_reply_goes_on_after_the_result_of_its_tool() -> None:
    first = steps(WEATHER, [user("weather in Oslo")])
    assert first == [
        Think("They want numbers."),
        Say("Let me look at Oslo."),
        Call("get_weather", '{"city":"Oslo","days":3}'),
    ]
    after = [user("weather in Oslo"), call("get_weather", "c1"), output("c1", '{"summary": "Sunny"}')]
    assert steps(WEATHER, after) == [Say("Sunny")]


def test_calls_of_an_earlier_turn_are_not_taken_for_those_of_this_one() -> None:
    turn = [
        user("weather in Oslo"),
        call("get_weather", "c1"),
        output("c1", '{"summary": "Sunny"}'),
        assistant("Sunny"),
    ]
    assert steps(WEATHER, [*turn, user("weather in Oslo")])[-1] == Call("get_weather", '{"city":"Oslo","days":3}')


def test_the_same_tool_may_be_called_again_and_again() -> None:
    script = {"otherwise": [{"call": "tick"}, {"call": "tick"}, {"say": "{{ results.tick }}"}]}
    items = [user("go")]
    for number in range(2):
        assert steps(script, items) == [Call("tick", "{}")]
        items += [call("tick", f"c{number}"), output(f"c{number}", str(number))]
    assert steps(script, items) == [Say("1")]


@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"]])
def test_parallel_calls_are_one_response_in_whatever_order_they_are_kept(order: list[str]) -> None:
    script = {"otherwise": [{"call": {"a": {}, "b": {}}}, {"call": "b"}, "done {{ result }}"]}
    assert steps(script, "go") == [Call("a", "{}"), Call("b", "{}")]
    items = [user("go"), *(item for name in order for item in (call(name, name), output(name, f"by {name}")))]
    assert steps(script, items) == [Call("b", "{}")]
    assert steps(script, [*items, call("b", "again"), output("again", "x")]) == [Say("done x")]


def test_one_tool_may_run_twice_in_parallel() -> None:
    script = {"otherwise": [{"call": [{"a": {"n": 1}}, {"a": {"n": 2}}]}, "done"]}
    assert steps(script, "go") == [Call("a", '{"n":1}'), Call("a", '{"n":2}')]
    items = [user("go"), call("a", "1"), call("a", "2"), output("1", "x"), output("2", "y")]
    assert steps(script, items) == [Say("done")]


def test_a_history_that_lost_a_call_still_goes_on_after_the_last_one() -> None:
    script = {"otherwise": [{"call": "server_tool"}, {"call": "client_tool"}, "done"]}
    assert steps(script, [user("go"), call("client_tool", "c"), output("c", "{}")]) == [Say("done")]


def test_calls_that_the_reply_does_not_make_are_passed_over() -> None:
    items = [user("bye"), call("transfer_to_desk", "c"), output("c", '{"assistant": "Desk"}')]
    assert steps(WEATHER, items) == [Say("Goodbye.")]


def test_a_reply_without_a_last_word_is_an_error_that_names_the_tool() -> None:
    script = {"turns": [{"user": "go", "reply": [{"call": "a"}]}]}
    with pytest.raises(ScriptError) as caught:
        steps(script, [user("go"), call("a", "c"), output("c", "x")])
    assert caught.value.path == ("turns", 0, "reply")
    assert "no step left after the result of 'a' (end it with a 'say')" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "data"),
    [('{"a": 1}', "1"), ("{'a': 1}", "1"), ("plain", None), ("{broken", None), ('"word"', None)],
)
def test_results_are_read_as_data_where_they_are_data(text: str, data: str | None) -> None:
    script = {"otherwise": [{"call": "t"}, "{{ data.a if data is mapping else result }}"]}
    items = [user("go"), call("t", "c"), output("c", text)]
    assert steps(script, items) == [Say(data if data is not None else text)]


def test_a_result_in_parts_is_their_text() -> None:
    parts = [
        {"type": "input_text", "text": "one "},
        {"type": "input_image", "image_url": "x"},
        {"type": "input_text", "text": "two"},
    ]
    items = [user("go"), call("t", "c"), {"type": "function_call_output", "call_id": "c", "output": parts}]
    assert steps({"otherwise": [{"call": "t"}, "{{ result }}"]}, items) == [Say("one two")]


def test_data_in_say_is_its_json() -> None:
    script = {"otherwise": {"say": {"city": "{{ user }}", "days": [1, 2]}}}
    assert steps(script, "Oslo") == [Say('{"city": "Oslo", "days": [1, 2]}')]


def test_a_fail_step_ends_the_response_and_says_its_status() -> None:
    assert steps({"otherwise": ["a", {"fail": "no {{ user }}"}]}, "x") == [Say("a"), Fail("no x", 500)]
    assert steps({"otherwise": {"fail": {"message": "m", "status": 429}}}, "x") == [Fail("m", 429)]


def test_a_template_that_fails_names_its_place() -> None:
    script = {"otherwise": [{"call": {"t": {"a": ["{{ match.city }}"]}}}]}
    with pytest.raises(ScriptError) as caught:
        steps(script, "x")
    assert caught.value.path == ("otherwise", 0, "call", "t", "a", 0)


# Handoffs


@pytest.mark.parametrize("name", ["Billing desk", "billing_desk", "transfer_to_billing_desk"])
def test_a_handoff_is_found_by_agent_or_tool_name(name: str) -> None:
    seen = {"handoffs": {"transfer_to_billing_desk": "Billing desk"}}
    assert steps({"otherwise": {"handoff": name}}, "x", **seen) == [Call("transfer_to_billing_desk", "{}")]


def test_a_handoff_to_nobody_names_who_there_is() -> None:
    with pytest.raises(ScriptError, match=r"can't hand off to 'shop' \(it can to 'Billing'\)"):
        steps({"otherwise": {"handoff": "shop"}}, "x", handoffs={"transfer_to_billing": "Billing"})


@pytest.mark.parametrize("tool", ["transfer_to_billing", "escalate"])
def test_the_same_reply_goes_on_after_a_handoff(tool: str) -> None:
    script = {"otherwise": [{"handoff": "Billing"}, "Billing here."]}
    items = [user("x"), call(tool, "c"), output("c", '{"assistant": "Billing"}')]
    assert steps(script, items) == [Say("Billing here.")]


# What ChatKit tells in the name of the user

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COMMON: dict[str, Any] = {"thread_id": "thr_1", "created_at": NOW}


def thread_item(kind: str, number: int) -> Any:
    common = {**COMMON, "id": f"id_{number}"}
    match kind:
        case "user":
            text = UserMessageTextContent(text="weather in Oslo")
            return UserMessageItem(
                **common, content=[text], attachments=[], quoted_text="q", inference_options=InferenceOptions()
            )
        case "assistant":
            return AssistantMessageItem(**common, content=[AssistantMessageContent(text="Sunny.", annotations=[])])
        case "hidden":
            return HiddenContextItem(**common, content="selected A-42")
        case "sdk_hidden":
            return SDKHiddenContextItem(**common, content="selected A-42")
        case "widget":
            return WidgetItem(**common, widget=Card(children=[Text(value="bye")]))
        case "image":
            return GeneratedImageItem(**common, image=GeneratedImage(id="i", url="https://example.com/bye.png"))
        case "structured":
            question = StructuredInputFreeform(id="q", question="bye?", answer=StructuredInputAnswer(values=["bye"]))
            return StructuredInputItem(**common, status="answered", inputs=[question])
        case "task":
            return TaskItem(**common, task=CustomTask(title="bye", content="bye"))
    tasks = [CustomTask(title="bye", content="bye")]
    return WorkflowItem(**common, workflow=Workflow(type="custom", tasks=tasks))


@pytest.mark.parametrize("kind", ["hidden", "sdk_hidden", "widget", "image", "structured", "task", "workflow"])
async def test_what_chatkit_says_as_the_user_is_not_taken_for_words(kind: str) -> None:
    items = await ThreadItemConverter().to_agent_input([thread_item("user", 1), thread_item(kind, 2)])
    situation = read_situation(items)
    assert situation.user == "weather in Oslo"
    assert not situation.answered


async def test_quoted_text_is_not_taken_for_words() -> None:
    items = await ThreadItemConverter().to_agent_input([thread_item("user", 1)])
    assert len(items) == 2
    assert read_situation(items).user == "weather in Oslo"


@pytest.mark.parametrize("kind", ["hidden", "sdk_hidden"])
async def test_hidden_context_after_the_answer_asks_for_a_reply_of_its_own(kind: str) -> None:
    script = {"turns": [*WEATHER["turns"], {"context": "/selected (?P<id>\\S+)/", "reply": "Got {{ match.id }}"}]}
    thread = [thread_item("user", 1), thread_item("assistant", 2), thread_item("widget", 3), thread_item(kind, 4)]
    items = await ThreadItemConverter().to_agent_input(thread)
    situation = read_situation(items)
    assert situation == Situation(user="weather in Oslo", context="selected A-42", answered=True)
    assert steps(script, items) == [Say("Got A-42")]


async def test_the_answer_to_structured_input_asks_for_a_reply_of_its_own() -> None:
    thread = [thread_item("user", 1), thread_item("assistant", 2), thread_item("structured", 3)]
    situation = read_situation(await ThreadItemConverter().to_agent_input(thread))
    assert situation.answered
    assert "- bye?: bye" in situation.context


def test_a_reply_to_hidden_context_may_call_tools() -> None:
    script = {
        "turns": [{"context": "picked", "reply": [{"call": "t"}, "{{ result }} {{ context }}"]}],
        "otherwise": "no",
    }
    items = [user("go"), call("t", "c1"), output("c1", "old"), assistant("done"), hidden("picked 1"), hidden("and 2")]
    assert steps(script, items) == [Call("t", "{}")]
    assert steps(script, [*items, call("t", "c2"), output("c2", "new")]) == [Say("new picked 1\nand 2")]


def test_an_upper_case_element_is_hidden_context() -> None:
    situation = read_situation([user("go"), assistant("ok"), user("<CAT_NAME_SELECTED>Tom</CAT_NAME_SELECTED>")])
    assert (situation.user, situation.answered) == ("go", True)


def test_context_that_a_tool_remembered_leaves_the_reply_alone() -> None:
    items = [user("weather in Oslo"), hidden("asked"), call("get_weather", "c"), output("c", '{"summary": "Sunny"}')]
    assert steps(WEATHER, items) == [Say("Sunny")]


# Mistakes in a script


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "s: expected a mapping, got nothing"),
        ({}, "s: a script needs 'turns' or 'otherwise'"),
        ({"turn": []}, "s: unknown key 'turn' (did you mean 'turns'?)"),
        ({"turns": {}}, "s: turns: expected a list, got a mapping"),
        ({"turns": ["hi"]}, "s: turns[0]: expected a mapping, got a string"),
        ({"turns": [{"user": "x"}]}, "s: turns[0]: a turn needs a 'reply'"),
        ({"turns": [{"user": 3, "reply": "x"}]}, "s: turns[0].user: expected a text or a list of texts, got a number"),
        (
            {"turns": [{"user": [], "reply": "x"}]},
            "s: turns[0].user: expected a text or a list of texts, got an empty list",
        ),
        (
            {"turns": [{"user": "/(/", "reply": "x"}]},
            "s: turns[0].user: the regular expression '/(/' is wrong: missing ), unterminated subpattern at position 0",
        ),
        ({"otherwise": []}, "s: otherwise: a reply needs at least one step"),
        ({"otherwise": {"say": None}}, "s: otherwise.say: expected a text, got nothing"),
        (
            {"otherwise": [{"say": "a", "call": "b"}]},
            "s: otherwise[0]: a step has exactly one of 'say', 'think', 'call', 'handoff', 'fail', "
            "here is 'say' and 'call'",
        ),
        (
            {"turns": [{"reply": "a"}, {"reply": ["a", {"call": 3}]}]},
            "s: turns[1].reply[1].call: expected 'tool: {arguments}', got a number",
        ),
        (
            {"otherwise": {"call": {"t": [1]}}},
            "s: otherwise.call.t: the arguments are a mapping, got a list",
        ),
        ({"otherwise": {"call": {3: {}}}}, "s: otherwise.call: a tool's name is a string, got a number"),
        ({"otherwise": {"handoff": {}}}, "s: otherwise.handoff: expected the name of an agent, got a mapping"),
        ({"otherwise": {"fail": {"status": 200}}}, "s: otherwise.fail.status: a status is a number from 400 to 599"),
        ({"otherwise": [{"fail": "x"}, "y"]}, "s: otherwise[1].say: no step can follow a 'fail'"),
        (
            {"delay": "soon", "otherwise": "x"},
            "s: delay: expected a duration such as 20ms or a number of seconds, got 'soon'",
        ),
        (
            {"otherwise": "{{ resutl }}"},
            "s: otherwise.say: the template has no name 'resutl' "
            "(known are agent, context, data, match, result, results, user)",
        ),
    ],
)
def test_a_mistake_names_its_place(data: Any, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        ScriptedConversation.from_data(data, "s")
    assert str(caught.value) == message


def test_a_template_that_is_wrong_is_found_before_it_is_used() -> None:
    with pytest.raises(ScriptError, match=r"^s: otherwise\[0\]\.call\.t\.a: the template is wrong: "):
        ScriptedConversation.from_data({"otherwise": [{"call": {"t": {"a": "{{ user"}}}]}, "s")


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text("turns:\n  - user: no\n    reply: [{say: yes, delay: 20ms}]\n", encoding="utf-8")
    assert load_script(path).steps(Situation(user="no")) == [Say("yes", 0.02)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't read the script: No such file"),
        (b"a: [", "the script is not YAML"),
        (b"\xff", "it is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "script.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScriptError, match=message) as caught:
        load_script(path)
    assert caught.value.source == str(path)


# The model


async def test_a_reply_is_streamed_in_the_order_of_the_responses_api() -> None:
    model = ScriptedConversation.from_data(WEATHER)
    events = await events_of(model, [user("weather in Oslo")])
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events if not event.type.endswith(".delta")]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [e.delta for e in events if e.type == "response.output_text.delta"] == [
        "Let",
        " me",
        " look",
        " at",
        " Oslo.",
    ]
    fragments = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    assert len(fragments) > 1
    assert json.loads("".join(fragments)) == {"city": "Oslo", "days": 3}
    assert [item.type for item in events[-1].response.output] == ["reasoning", "message", "function_call"]


@pytest.mark.parametrize("text", ["", " ", "one", " a  b\n\n- c ", "größe 🙂 x\n"])
async def test_the_chunks_of_a_text_join_to_the_text(text: str) -> None:
    model = ScriptedConversation.from_data({"otherwise": {"say": text}})
    events = await events_of(model, "x")
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == text
    assert events[-1].response.output[0].content[0].text == text


async def test_both_ways_to_call_the_model_say_the_same() -> None:
    model = ScriptedConversation.from_data(WEATHER)
    items = [user("weather in Oslo")]
    whole = await model.get_response("Be kind.", items, ModelSettings(), [], None, [], ModelTracing.DISABLED)
    streamed = [event async for event in stream(model, items, "Be kind.")][-1].response
    no_ids = {"id": True, "call_id": True}
    assert [i.model_dump(exclude=no_ids) for i in whole.output] == [
        i.model_dump(exclude=no_ids) for i in streamed.output
    ]
    assert whole.usage.requests == 1
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (6, 5 + 14)
    assert streamed.usage.total_tokens == whole.usage.total_tokens


async def test_no_id_is_given_twice() -> None:
    model = ScriptedConversation.from_data({"otherwise": [{"think": "a"}, "b", "c", {"call": ["t", "t"]}]})
    ids: list[str] = []
    for _ in range(50):
        response = (await events_of(model, "x"))[-1].response
        calls = [item.call_id for item in response.output if item.type == "function_call"]
        ids += [response.id, *(item.id for item in response.output), *calls]
    assert len(ids) == 50 * 8
    assert len(set(ids)) == len(ids)


async def test_a_failure_at_the_start_comes_before_any_event() -> None:
    model = ScriptedConversation.from_data({"otherwise": {"fail": {"message": "busy", "status": 503}}})
    with pytest.raises(ScriptedFailure, match="busy") as caught:
        await anext(stream(model, "x"))
    assert caught.value.status_code == 503


async def test_a_failure_on_the_way_comes_after_the_text() -> None:
    model = ScriptedConversation.from_data({"otherwise": ["One moment", {"fail": "busy"}]})
    heard: list[str] = []

    async def listen() -> None:
        async for event in stream(model, "x"):
            heard.append(event.type)

    with pytest.raises(ScriptedFailure):
        await listen()
    assert heard[-1] == "response.output_item.done"


async def test_other_tasks_run_between_the_chunks() -> None:
    model = ScriptedConversation.from_data({"otherwise": "a b c d"})
    heard: list[str] = []

    async def listen(name: str) -> None:
        async for event in stream(model, "x"):
            if event.type == "response.output_text.delta":
                heard.append(name)

    await asyncio.gather(listen("one"), listen("two"))
    assert heard == ["one", "two"] * 4


async def test_the_delay_is_waited_before_each_chunk() -> None:
    waits: list[float] = []

    async def record(delay_s: float) -> None:
        waits.append(delay_s)

    script = {"delay": "1h", "otherwise": ["a b", {"think": "c", "delay": 7200}, {"call": "t"}]}
    await events_of(ScriptedConversation.from_data(script, sleep=record), "x")
    assert waits == [3600, 3600, 7200, 0]


async def test_a_reader_that_stops_stops_the_model() -> None:
    model = ScriptedConversation.from_data({"delay": "1h", "otherwise": "a b"})
    events = stream(model, "x")
    assert (await anext(events)).type == "response.created"
    await events.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(events)


@function_tool
def get_weather(city: str, days: int) -> dict[str, str]:
    return {"summary": f"{days} sunny days in {city}"}


async def test_a_hundred_conversations_on_one_model_stay_apart() -> None:
    model = ScriptedConversation.from_data(WEATHER)
    agent = Agent(name="Guide", model=model, tools=[get_weather])

    async def converse(city: str) -> set[str]:
        history: list[Any] = []
        for turn in range(3):
            words = f"weather in {city} {'x' * turn}".strip()
            result = Runner.run_streamed(agent, [*history, user(words)], run_config=QUIET)
            async for _ in result.stream_events():
                await asyncio.sleep(0)
            history = result.to_input_list()
            assert result.final_output == f"3 sunny days in {words.removeprefix('weather in ')}"
        return {item["id"] for item in history if "id" in item}

    letters = "abcdefghij"
    ids = await asyncio.gather(*(converse(f"{first}{second}") for first in letters for second in letters))
    assert len(set().union(*ids)) == 100 * 3 * 4


async def test_agents_share_a_script_and_hand_over() -> None:
    script = {
        "turns": [
            {"agent": "Billing", "reply": "Billing here: {{ user }}"},
            {"user": "refund", "reply": [{"say": "I will connect you."}, {"handoff": "billing"}]},
        ]
    }
    model = ScriptedConversation.from_data(script)
    billing = Agent(name="Billing", model=model.for_agent("Billing"))
    front = Agent(name="Front", model=model.for_agent("Front"), handoffs=[billing])
    result = await Runner.run(front, "a refund please", run_config=QUIET)
    assert result.last_agent is billing
    assert ItemHelpers.text_message_outputs(result.new_items) == "I will connect you.Billing here: a refund please"


def test_what_a_call_returned_is_kept_with_it() -> None:
    situation = read_situation([user("x"), call("a", "1"), call("b", "2"), output("2", "two")])
    assert situation.calls == (PastCall("a"), PastCall("b", "two"))


# The docs

YAML_BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def test_the_script_that_is_shown_does_what_is_said(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "guide" / "scripted.md").read_text(encoding="utf-8")
    (block,) = YAML_BLOCK.findall(page)
    path = tmp_path / "script.yaml"
    path.write_text(block, encoding="utf-8")
    model = load_script(path)
    assert model.steps(Situation(user="The WEATHER?")) == [Say("It is sunny.", 0.02)]
    assert model.steps(Situation(user="weather in Oslo"))[-1] == Call("get_weather", '{"city":"Oslo"}')
    assert model.steps(Situation(user="crash"))[-1] == Fail("the model is overloaded")
    context = Situation(user="x", context="selected A1", answered=True)
    assert model.steps(context) == [Say("You picked A1.", 0.02)]
    titled = Situation(user="A text of more than twenty characters", instructions="Write a title.")
    assert model.steps(titled) == [Say("A text of more than ", 0.02)]
    assert model.steps(Situation(user="x")) == [Say("I have no answer to that.", 0.02)]


def test_the_docs_name_every_step_key_and_name_in_scope() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guide" / "scripted.md").read_text(encoding="utf-8")
    words = {"user", "context", "instructions", "agent", "tools", "match", "result", "data", "results"}
    words |= {"say: text", "think: text", "call: {tool: {arguments}}", "handoff: agent", "fail: text"}
    assert [word for word in words if f"| `{word}` |" not in page] == []


async def test_an_agent_with_an_output_type_either_answers_or_hands_over() -> None:
    script = {"turns": [{"reply": [{"say": "[1]"}, {"handoff": "desk"}]}], "otherwise": "done"}
    model = ScriptedConversation.from_data(script, "script.yaml")
    desk: Agent[Any] = Agent(name="desk", model=model)
    clerk = Agent(name="clerk", model=model.for_agent("clerk"), output_type=list[int], handoffs=[desk])
    with pytest.raises(ScriptError, match="'clerk' has an 'output', and the script lets it answer and hand over at"):
        await Runner.run(clerk, "go", run_config=QUIET)


def test_a_regular_expression_that_would_take_years_is_given_up_and_named() -> None:
    script = {"turns": [{"user": r"/^(a|aa)+$/", "reply": "hi"}]}
    with pytest.raises(ScriptError, match=r"turns\[0\].user.*took longer than 0.1 s"):
        steps(script, [user("a" * 60 + "!")])


def test_a_regular_expression_finds_what_pythons_finds() -> None:
    script = {"turns": [{"user": r"/^(\w+\s?)+$/", "reply": "{{ match[1] }}"}], "otherwise": "no"}
    assert steps(script, [user("a" * 33 + "!")]) == [Say("no")]
    assert steps(script, [user("HI there")]) == [Say("there")]
