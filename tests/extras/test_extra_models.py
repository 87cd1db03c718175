"""Models of the extras, through their real libraries, over real HTTP."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime import create_app
from runtime.testing import OpenAIStub, parse_events

SCRIPT = {
    "turns": [
        {"user": "weather", "reply": [{"call": {"get_weather": {"city": "Oslo"}}}, {"say": "It is {{ result }}."}]}
    ]
}
TOOLS = '''def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"
'''
# These libraries warn of themselves; what we check is that they answer.
pytestmark = pytest.mark.filterwarnings("default")


async def test_two_turns_with_a_tool_call_each_through_an_extra(library: str, tmp_path: Path) -> None:
    with OpenAIStub(SCRIPT) as stub:
        (tmp_path / "weather_tools.py").write_text(TOOLS)
        (tmp_path / "agents.yaml").write_text(
            "version: 1\n"
            "auth: none\n"
            f"models: {{default: {{{library}: openai/gpt-6-luna, base_url: '{stub.base_url}', api_key: test}}}}\n"
            "agents: {assistant: {tools: ['weather_tools:get_weather']}}\n"
            "store: memory\n"
        )
        app = create_app(tmp_path, environ={})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            message = {"content": [{"type": "input_text", "text": "The weather?"}]}
            params: dict[str, Any] = {"input": {**message, "attachments": [], "inference_options": {}}}
            for request in ("threads.create", "threads.add_user_message"):
                response = await client.post("/chatkit", json={"type": request, "params": params})
                events = parse_events(response.content)
                assert events[-1]["item"]["content"][0]["text"] == "It is sunny in Oslo."
                params["thread_id"] = events[-1]["item"]["thread_id"]
        await app.state.runtime.close()

    assert [request.outcome for request in stub.requests] == ["answered"] * 4
