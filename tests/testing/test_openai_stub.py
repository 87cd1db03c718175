import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from agents import Agent, Model, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner, function_tool
from openai import AsyncOpenAI

from runtime.testing import OpenAIStub, ScriptedConversation, ScriptError, parse_events

QUIET = RunConfig(tracing_disabled=True)
SCRIPT = {
    "turns": [
        {
            "user": "/weather in (?P<city>\\w+)/",
            "reply": [
                {"think": "They want numbers."},
                {"say": "Let me look."},
                {"call": {"get_weather": {"city": "{{ match.city }}"}}},
                {"say": "{{ data.summary }}"},
            ],
        },
        {"user": "crash late", "reply": ["One moment", {"fail": "the model broke"}]},
        {"user": "crash", "reply": {"fail": {"message": "busy now", "status": 429}}},
        {"user": "stuck", "reply": {"call": "get_weather"}},
        {"user": "refund", "reply": [{"handoff": "Billing"}, "Billing here."]},
        {"instructions": "title", "reply": "A title"},
    ],
    "otherwise": "one two three four",
}
APIS = pytest.mark.parametrize("api", ["responses", "chat_completions"])


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[OpenAIStub]:
    async with OpenAIStub(SCRIPT) as running:
        yield running


@pytest_asyncio.fixture
async def client(stub: OpenAIStub) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=stub.base_url, api_key="any", max_retries=0) as opened:
        yield opened


@function_tool
def get_weather(city: str) -> str:
    return json.dumps({"summary": f"Sunny in {city}"})


def model_of(api: str, client: AsyncOpenAI) -> Model:
    if api == "responses":
        return OpenAIResponsesModel(model="gpt-test", openai_client=client)
    return OpenAIChatCompletionsModel(model="gpt-test", openai_client=client)


async def ask(api: str, client: AsyncOpenAI, text: str) -> str:
    if api == "responses":
        response = await client.responses.create(model="m", input=text)
        return response.output_text
    completion = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return completion.choices[0].message.content or ""


async def deltas(api: str, client: AsyncOpenAI, text: str = "hi") -> AsyncIterator[str]:
    if api == "responses":
        async with await client.responses.create(model="m", input=text, stream=True) as events:
            async for event in events:
                if event.type == "response.output_text.delta":
                    yield event.delta
        return
    messages: Any = [{"role": "user", "content": text}]
    async with await client.chat.completions.create(model="m", messages=messages, stream=True) as chunks:
        async for chunk in chunks:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


async def gather(stream: AsyncIterator[str]) -> list[str]:
    return [delta async for delta in stream]


# Through the agents SDK


@APIS
async def test_three_turns_with_a_tool_each_keep_their_history(api: str, stub: OpenAIStub, client: AsyncOpenAI) -> None:
    agent = Agent(name="Guide", instructions="Be kind.", model=model_of(api, client), tools=[get_weather])
    history: list[Any] = []
    for city in ("Oslo", "Rome", "Lima"):
        words = {"role": "user", "content": f"weather in {city}"}
        result = Runner.run_streamed(agent, [*history, words], run_config=QUIET)
        heard = [event async for event in result.stream_events() if event.type == "raw_response_event"]
        assert len([event for event in heard if event.data.type == "response.output_text.delta"]) == 6
        assert result.final_output == f"Sunny in {city}"
        history = result.to_input_list()
    assert [request.outcome for request in stub.requests] == ["answered"] * 6
    sent = stub.requests[-1].body.get("input") or stub.requests[-1].body["messages"]
    calls = [item["call_id"] for item in history if item.get("type") == "function_call"]
    assert len(set(calls)) == 3
    assert all(json.dumps(sent).count(call) == 2 for call in calls)
    assert [json.dumps(sent).count(f"Sunny in {city}") for city in ("Oslo", "Rome", "Lima")] == [2, 2, 1]


async def test_no_id_is_given_twice(client: AsyncOpenAI) -> None:
    ids: list[str] = []
    for _ in range(5):
        response = await client.responses.create(model="m", input="weather in Oslo")
        ids += [response.id, *(str(item.id) for item in response.output)]
        ids += [item.call_id for item in response.output if item.type == "function_call"]
        completion = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "weather in Oslo"}]
        )
        calls = completion.choices[0].message.tool_calls or []
        ids += [completion.id, *(call.id for call in calls)]
    assert len(ids) == len(set(ids)) == 5 * (5 + 2)


@APIS
async def test_a_handoff_is_made_by_its_tool(api: str, client: AsyncOpenAI) -> None:
    billing = Agent(name="Billing", model=model_of(api, client))
    front = Agent(name="Front", model=model_of(api, client), handoffs=[billing])
    result = await Runner.run(front, "a refund please", run_config=QUIET)
    assert (result.last_agent, result.final_output) == (billing, "Billing here.")


@APIS
async def test_instructions_are_matched(api: str, client: AsyncOpenAI) -> None:
    agent = Agent(name="Titles", instructions="Write a title.", model=model_of(api, client))
    result = await Runner.run(agent, "long text", run_config=QUIET)
    assert result.final_output == "A title"


# The wire


@APIS
async def test_texts_come_in_chunks(api: str, client: AsyncOpenAI) -> None:
    assert await gather(deltas(api, client)) == ["one", " two", " three", " four"]


async def test_a_chat_stream_tells_its_usage_when_asked(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "weather in Oslo"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens > 0
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_a_chat_stream_of_a_call_joins_to_its_arguments(client: AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model="m", messages=[{"role": "user", "content": "weather in Oslo"}]
    ) as stream:
        completion = await stream.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo"})


async def test_a_response_stream_joins_to_the_whole_response(client: AsyncOpenAI) -> None:
    async with client.responses.stream(model="m", input="weather in Oslo") as stream:
        response = await stream.get_final_response()
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    assert (response.output_text, response.model, response.status) == ("Let me look.", "m", "completed")
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens > 0


async def test_the_models_are_listed(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["scripted"]


async def test_requests_are_recorded(stub: OpenAIStub, client: AsyncOpenAI) -> None:
    await client.responses.create(model="gpt-x", input="hi", extra_headers={"X-Trace": "7"})
    (request,) = stub.requests
    assert (request.method, request.path, request.body["model"]) == ("POST", "/v1/responses", "gpt-x")
    assert (request.headers["x-trace"], request.headers["authorization"]) == ("7", "Bearer any")


async def test_what_openai_refuses_is_refused(stub: OpenAIStub, client: AsyncOpenAI) -> None:
    call: Any = {"type": "function_call", "call_id": "call_1", "name": "t", "arguments": "{}"}
    with pytest.raises(openai.BadRequestError, match="No tool output found for function call call_1") as caught:
        await client.responses.create(model="m", input=[call])
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "input")
    with pytest.raises(openai.BadRequestError, match="must be a response to a preceeding message"):
        await client.chat.completions.create(
            model="m", messages=[{"role": "tool", "tool_call_id": "call_1", "content": "x"}]
        )
    assert [request.outcome for request in stub.requests] == ["refused", "refused"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/responses", b"{", 400),
        ("POST", "/responses", b"[]", 400),
        ("POST", "/responses", b"", 400),
        ("POST", "/responses", b'{"model": "m", "input": [{"type": "function_call"}]}', 400),
        ("GET", "/responses", b"", 404),
        ("POST", "/embeddings", b"{}", 404),
    ],
)
async def test_nonsense_gets_an_error_in_openais_form(
    stub: OpenAIStub, method: str, path: str, content: bytes, status: int
) -> None:
    async with httpx.AsyncClient(timeout=180) as http:
        response = await http.request(method, stub.base_url + path, content=content)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_body_reads_as_events(stub: OpenAIStub) -> None:
    async with httpx.AsyncClient(timeout=180) as http:
        body = {"model": "m", "input": "hi", "stream": True}
        response = await http.post(f"{stub.base_url}/responses", json=body)
    events = parse_events(response.content)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")


# Faults


@APIS
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
async def test_the_next_request_fails_and_the_one_after_it_does_not(
    api: str, status: int, error: type[openai.APIStatusError], stub: OpenAIStub, client: AsyncOpenAI
) -> None:
    stub.fail_next(status)
    with pytest.raises(error):
        await ask(api, client, "hi")
    assert await ask(api, client, "hi") == "one two three four"


async def test_a_client_that_tries_again_gets_through(stub: OpenAIStub, client: AsyncOpenAI) -> None:
    stub.fail_next(429, times=2)
    assert await ask("responses", client.with_options(max_retries=2), "hi") == "one two three four"
    assert [request.outcome for request in stub.requests] == ["refused", "refused", "answered"]


async def test_a_failure_may_have_words_of_its_own(stub: OpenAIStub, client: AsyncOpenAI) -> None:
    stub.fail_next(429, message="You exceeded your current quota.", code="insufficient_quota")
    with pytest.raises(openai.RateLimitError, match="exceeded your current quota") as caught:
        await ask("responses", client, "hi")
    assert caught.value.code == "insufficient_quota"


@APIS
async def test_a_scripted_failure_is_an_error_of_its_status(api: str, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError, match="busy now"):
        await gather(deltas(api, client, "crash"))
    with pytest.raises(openai.RateLimitError, match="busy now"):
        await ask(api, client, "crash")


async def test_a_scripted_failure_on_the_way_ends_the_stream_with_an_error(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model="m", input="crash late", stream=True)
    events = [event async for event in stream]
    assert events[-1].type == "error"
    assert (events[-1].message, events[-1].sequence_number) == ("the model broke", len(events) - 1)
    with pytest.raises(openai.APIError, match="the model broke"):
        await gather(deltas("chat_completions", client, "crash late"))


@APIS
async def test_a_script_without_an_answer_is_reported_once(api: str, stub: OpenAIStub, client: AsyncOpenAI) -> None:
    agent = Agent(name="Guide", model=model_of(api, client.with_options(max_retries=3)), tools=[get_weather])
    with pytest.raises(openai.BadRequestError, match=r"turns\[3\]\.reply: the reply has no step left"):
        await Runner.run(agent, "stuck", run_config=QUIET)
    assert len(stub.requests) == 2


@APIS
@pytest.mark.parametrize("after", [0, 2])
async def test_a_stream_is_cut(
    api: str, after: int, stub: OpenAIStub, client: AsyncOpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    async def listen() -> None:
        async for delta in deltas(api, client):
            heard.append(delta)

    stub.cut_next(after)
    with caplog.at_level(logging.INFO), pytest.raises((openai.APIError, httpx.HTTPError)):
        await listen()
    assert heard == ["one", " two"][:after]
    assert stub.requests[0].done.wait(10)
    assert stub.requests[0].outcome == "cut"
    assert [record for record in caplog.records if record.name == "uvicorn.error"] == []
    assert await gather(deltas(api, client)) == ["one", " two", " three", " four"]


@APIS
async def test_an_answer_without_a_stream_is_cut_as_well(api: str, stub: OpenAIStub, client: AsyncOpenAI) -> None:
    stub.cut_next()
    with pytest.raises(openai.APIConnectionError):
        await ask(api, client, "hi")
    assert await ask(api, client, "hi") == "one two three four"


@APIS
@pytest.mark.parametrize("after", [0, 2])
async def test_a_response_hangs_until_it_is_released(
    api: str, after: int, stub: OpenAIStub, client: AsyncOpenAI
) -> None:
    hold = stub.hold(after)
    heard: list[str] = []

    async def listen() -> None:
        async for delta in deltas(api, client):
            heard.append(delta)

    listening = asyncio.create_task(listen())
    await hold.until_reached()
    assert (len(heard) <= after, stub.requests[0].outcome, listening.done()) == (True, "open", False)
    hold.release()
    await listening
    assert heard == ["one", " two", " three", " four"]
    assert await ask(api, client, "hi") == "one two three four"


async def test_a_hold_that_nobody_reaches_times_out(stub: OpenAIStub) -> None:
    hold = stub.hold()
    with pytest.raises(TimeoutError, match="no response was held within 0 s"):
        await hold.until_reached(timeout_s=0)


@APIS
async def test_a_client_that_leaves_is_noticed(api: str, stub: OpenAIStub, client: AsyncOpenAI) -> None:
    hold = stub.hold(after=1)
    listening = asyncio.create_task(gather(deltas(api, client)))
    await hold.until_reached()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert await asyncio.to_thread(stub.requests[0].done.wait, 180)
    assert stub.requests[0].outcome == "gone"


# Life cycle


async def test_a_wrong_key_is_refused_where_one_is_asked_for() -> None:
    async with OpenAIStub(SCRIPT, api_key="sk-right") as stub:
        async with AsyncOpenAI(base_url=stub.base_url, api_key="sk-wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                await ask("responses", client, "hi")
        async with AsyncOpenAI(base_url=stub.base_url, api_key="sk-right", max_retries=0) as client:
            assert await ask("responses", client, "hi") == "one two three four"


def test_it_serves_plain_code_from_a_script_file(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text("otherwise: from a file", encoding="utf-8")
    with OpenAIStub(path) as stub, openai.OpenAI(base_url=stub.base_url, api_key="any") as client:
        assert client.responses.create(model="m", input="hi").output_text == "from a file"


def test_two_stubs_stand_side_by_side() -> None:
    with OpenAIStub({"otherwise": "a"}) as one, OpenAIStub({"otherwise": "b"}) as two:
        assert one.base_url != two.base_url
        for stub, text in ((one, "a"), (two, "b")):
            with openai.OpenAI(base_url=stub.base_url, api_key="any") as client:
                assert client.responses.create(model="m", input="hi").output_text == text


async def test_stopping_lets_a_held_response_go() -> None:
    async with OpenAIStub(SCRIPT) as stub, AsyncOpenAI(base_url=stub.base_url, api_key="any", max_retries=0) as client:
        hold = stub.hold()
        asking = asyncio.create_task(ask("responses", client, "hi"))
        await hold.until_reached()
        await asyncio.to_thread(stub.stop)
        assert await asking == "one two three four"


def test_a_stub_that_does_not_run_has_no_address() -> None:
    stub = OpenAIStub(SCRIPT)
    with pytest.raises(RuntimeError, match="not running"):
        _ = stub.base_url
    with stub, pytest.raises(RuntimeError, match="running already"):
        stub.start()
    stub.stop()


def test_a_turn_for_an_agent_is_refused_because_no_request_names_one() -> None:
    script = {"turns": [{"agent": "Billing", "reply": "Paid."}], "otherwise": "Hello."}
    with pytest.raises(ScriptError, match="requests to the API do not name the agent"):
        OpenAIStub(script)


async def test_a_script_of_one_agent_plays_its_turns() -> None:
    script = {"turns": [{"agent": "Billing", "reply": "Paid."}], "otherwise": "Hello."}
    model = ScriptedConversation.from_data(script).for_agent("Billing")
    async with OpenAIStub(model) as stub, AsyncOpenAI(base_url=stub.base_url, api_key="any") as client:
        response = await client.responses.create(model="any", input="Hi")
        assert response.output_text == "Paid."
