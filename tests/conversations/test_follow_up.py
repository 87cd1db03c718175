from pathlib import Path

import httpx

from runtime import create_app
from runtime.testing import parse_events

FILES = {
    "agents.yaml": """
version: 1
auth: none
models: {default: {scripted: script.yaml}}
agents: {assistant: {tools: [show]}}
tools: {show: {widget: card, stop: true}}
widgets: {card: {template: {type: Card, children: [{type: Text, value: Pick one}]}}}
actions: {line.select: "lines:select"}
store: memory
""",
    "script.yaml": """
turns:
  - {context: /selected (?P<line>\\w+)/, reply: "You took the {{ match.line }} line."}
otherwise: {call: show}
""",
    "lines.py": """
async def select(ctx, action, sender):
    await ctx.context.remember(f"The user selected {action.payload['line']}.")
    await ctx.context.answer()
""",
}


async def test_an_action_lets_the_agents_answer_what_happened(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    app = create_app(tmp_path, environ={})
    message = {"content": [{"type": "input_text", "text": "Hi"}], "attachments": [], "inference_options": {}}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        created = await client.post("/chatkit", json={"type": "threads.create", "params": {"input": message}})
        widget = parse_events(created.content)[-1]["item"]
        action = {"type": "line.select", "payload": {"line": "green"}}
        params = {"thread_id": widget["thread_id"], "item_id": widget["id"], "action": action}
        answered = await client.post("/chatkit", json={"type": "threads.custom_action", "params": params})
    await app.state.runtime.close()

    events = parse_events(answered.content)
    assert events[-1]["item"]["content"][0]["text"] == "You took the green line."
    assert not any(event.get("item", {}).get("type") == "hidden_context_item" for event in events)
