"""How thread items become the model's input."""

from chatkit.agents import ThreadItemConverter
from chatkit.types import UserMessageTagContent
from openai.types.responses import ResponseInputContentParam, ResponseInputTextParam

from tools.trails import TRAILS


class HikeConverter(ThreadItemConverter):
    """Tells the model the facts of a trail that the user has tagged with `@`."""

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputContentParam:
        facts = next((trail for trail in TRAILS if trail["name"] == tag.text), {"name": tag.text})
        return ResponseInputTextParam(type="input_text", text=f"<TRAIL>{facts}</TRAIL>")
