"""How the desk's thread items are told to the model."""

from __future__ import annotations

from chatkit.agents import ThreadItemConverter
from chatkit.types import HiddenContextItem, UserMessageTagContent
from openai.types.responses import ResponseInputTextParam
from openai.types.responses.response_input_item_param import Message


class DeskConverter(ThreadItemConverter):
    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputTextParam:
        status = tag.data.get("status", "unknown")
        return ResponseInputTextParam(
            type="input_text",
            text=f"<PARCEL number={tag.id!r} status={status!r}>{tag.text}</PARCEL>",
        )

    async def hidden_context_to_input(self, item: HiddenContextItem) -> Message:
        return Message(
            type="message",
            role="user",
            content=[ResponseInputTextParam(type="input_text", text=f"<DESK_NOTE>{item.content}</DESK_NOTE>")],
        )
