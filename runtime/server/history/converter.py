"""Thread items -> the model's input: the calls of earlier turns, the summary before them, the fixes around them."""

from __future__ import annotations

import asyncio
import base64
import copy
import io
import json
import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from agents import TResponseInputItem
from chatkit.agents import ThreadItemConverter
from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageItem,
    Attachment,
    HiddenContextItem,
    ThreadItem,
    UserMessageItem,
    UserMessageTagContent,
)
from openai.types.responses import (
    ResponseInputContentParam,
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)

from runtime.assemble.context import RuntimeContext
from runtime.assemble.mentions import BuiltMentions
from runtime.assemble.project_objects import OwnConverter
from runtime.config.model.chat import History
from runtime.sdk_internals import convert_item
from runtime.server.attachments import Uploads
from runtime.server.history.window import window
from runtime.stores.serialization import Summary
from runtime.stores.store import ModelItem

UNANSWERED = "The call was not answered: the conversation went on without its result."
EARLIER = "Earlier in this conversation: "


@dataclass(frozen=True, slots=True)
class Answering:
    """The turn whose input is being converted: what a converter may know of it."""

    context: RuntimeContext
    owner: str
    tags: BuiltMentions | None
    uploads: Uploads | None
    reads_files: bool


answering: ContextVar[Answering | None] = ContextVar("answering", default=None)


class RuntimeConverter(ThreadItemConverter):
    """ChatKit's converter with what its defaults get wrong put right."""

    async def assistant_message_to_input(
        self, item: AssistantMessageItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Send plain text: Chat Completions models refuse `output_text` parts in their input."""
        text = "".join(part.text for part in item.content)
        return cast(TResponseInputItem, {"role": "assistant", "content": text}) if text else None

    async def user_message_to_input(
        self, item: UserMessageItem, is_last_message: bool = True
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Send words alone as words alone: the SDK copies its input several times, and nested parts cost it double."""
        only_text = all(part.type == "input_text" for part in item.content)
        if item.attachments or item.quoted_text or not only_text:
            return await super().user_message_to_input(item, is_last_message)
        return cast(TResponseInputItem, {"role": "user", "content": "".join(part.text for part in item.content)})

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputContentParam:
        """Tell the model what a tag stands for: what `chat.tags` says, else what the browser says."""
        turn = answering.get()
        told = await turn.tags.describe(tag, turn.context) if turn is not None and turn.tags is not None else None
        if told is not None:
            return ResponseInputTextParam(type="input_text", text=told)
        known = json.dumps({"id": tag.id, "text": tag.text, "group": tag.group, "data": tag.data}, ensure_ascii=False)
        return ResponseInputTextParam(type="input_text", text=f"@{tag.text} stands for {known}")

    async def attachment_to_message_content(self, attachment: Attachment) -> ResponseInputContentParam:
        """Give the model what the user has attached, as far as it can read it."""
        turn = answering.get()
        if turn is None or turn.uploads is None:
            return unreadable(attachment)
        try:
            content = await turn.uploads.read(turn.owner, attachment.id)
        except NotFoundError:
            return unreadable(attachment)
        return await tell_file(attachment, content, turn.reads_files)

    async def hidden_context_to_input(
        self, item: HiddenContextItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Write content that is not text as JSON, where the SDK gives up."""
        if not isinstance(item.content, str):
            item = item.model_copy(update={"content": json.dumps(item.content, ensure_ascii=False, default=str)})
        return await super().hidden_context_to_input(item)

    async def to_agent_input(self, thread_items: Sequence[ThreadItem] | ThreadItem) -> list[TResponseInputItem]:
        """Convert thread items; a `ModelItem` holds the model's input as it is."""
        items = list(thread_items) if isinstance(thread_items, Sequence) else [thread_items]
        model_input: list[TResponseInputItem] = []
        for item in items:
            if isinstance(item, ModelItem):
                model_input += item.content.get("model_items", ())
            else:
                model_input += await convert_item(self, item, item is items[-1])
        return model_input


def build_converter(own: OwnConverter) -> ThreadItemConverter:
    """Mix a converter of the user's own with ours: what it overrides wins, the rest is put right."""
    if own is None:
        return RuntimeConverter()
    kind = own if isinstance(own, type) else type(own)
    mixed = kind if issubclass(kind, RuntimeConverter) else type(kind.__name__, (kind, RuntimeConverter), {})
    if isinstance(own, type):
        return cast(ThreadItemConverter, mixed())
    converter = copy.copy(own)
    converter.__class__ = mixed
    return converter


async def to_model_input(
    converter: ThreadItemConverter, items: Sequence[ThreadItem], history: History, summary: Summary | None = None
) -> list[TResponseInputItem]:
    """Convert a window of a thread, oldest first, into input that every model endpoint accepts.

    What the summary covers is told by it alone.
    """
    told = repair(await converter.to_agent_input(window(items, history, summary)))
    if summary is None:
        return told
    # Of a role that handoffs, prefaces and guardrails never take for the user's word.
    return [cast(TResponseInputItem, {"role": "system", "content": f"{EARLIER}{summary.text}"}), *told]


def with_preface(items: list[TResponseInputItem], preface: str) -> list[TResponseInputItem]:
    """Put a text before the user's last message: the model reads it as part of this turn, and of no other."""
    if not preface.strip():
        return items
    said = [index for index, item in enumerate(items) if item.get("role") == "user"]
    at = said[-1] if said else len(items)
    return [*items[:at], cast(TResponseInputItem, {"role": "user", "content": preface}), *items[at:]]


def repair(items: Iterable[TResponseInputItem]) -> list[TResponseInputItem]:
    """Put every call's output right behind it, answer calls that have none, drop outputs that have no call.

    Endpoints refuse a conversation otherwise, and for good: the thread could never go on.
    """
    listed = cast(list[dict[str, Any]], list(items))
    if not any("call_id" in item for item in listed):
        return cast(list[TResponseInputItem], listed)
    # Some endpoints number their calls anew in each response: the same id then has several outputs, in order.
    outputs: defaultdict[str, deque[dict[str, Any]]] = defaultdict(deque)
    for item in listed:
        if item.get("type") == "function_call_output":
            outputs[item["call_id"]].append(item)
    repaired: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    waiting: set[str] = set()
    for item in listed:
        if item.get("type") == "function_call":
            calls.append(item)
            waiting.add(item["call_id"])
            continue
        is_output = item.get("type") == "function_call_output"
        if is_output:
            waiting.discard(item["call_id"])
        if not (is_output and waiting):
            repaired += _answered(calls, outputs)
            calls, waiting = [], set()
        if not is_output:
            repaired.append(item)
    return cast(list[TResponseInputItem], repaired + _answered(calls, outputs))


def _answered(calls: list[dict[str, Any]], outputs: Mapping[str, deque[dict[str, Any]]]) -> list[dict[str, Any]]:
    unanswered = {"type": "function_call_output", "output": UNANSWERED}
    found = ((call["call_id"], outputs[call["call_id"]]) for call in calls)
    return calls + [waiting.popleft() if waiting else {**unanswered, "call_id": call_id} for call_id, waiting in found]


# What the model is told of an attached file: the picture, the file, or the text in it.

logger = logging.getLogger("runtime.server")
MOST_CHARACTERS = 100_000


async def tell_file(attachment: Attachment, content: bytes, reads_files: bool) -> ResponseInputContentParam:
    """The part of a message that stands for an attachment; `reads_files`: the model takes files as they are."""
    mime_type = attachment.mime_type
    if mime_type.startswith("image/"):
        return ResponseInputImageParam(type="input_image", detail="auto", image_url=_data_url(mime_type, content))
    if mime_type.startswith("text/") or mime_type in ("application/json", "application/xml"):
        return _text(attachment, content.decode("utf-8", "replace"))
    if reads_files:
        return ResponseInputFileParam(
            type="input_file", filename=attachment.name, file_data=_data_url(mime_type, content)
        )
    if mime_type == "application/pdf":
        try:
            return _text(attachment, await asyncio.to_thread(_text_of_pdf, content))
        except Exception as error:
            logger.warning("no text in %s: %s: %s", attachment.id, type(error).__name__, error)
    return ResponseInputTextParam(
        type="input_text", text=f"[The user attached {attachment.name!r} ({mime_type}), which can't be read here.]"
    )


def unreadable(attachment: Attachment) -> ResponseInputContentParam:
    """What the model is told of a file that is gone."""
    return ResponseInputTextParam(
        type="input_text", text=f"[The user attached {attachment.name!r}, which is no longer there.]"
    )


def _data_url(mime_type: str, content: bytes) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


def _text(attachment: Attachment, text: str) -> ResponseInputTextParam:
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}\n[… cut off after {MOST_CHARACTERS} characters]"
    return ResponseInputTextParam(type="input_text", text=f"<FILE name={attachment.name!r}>\n{text}\n</FILE>")


def _text_of_pdf(content: bytes) -> str:
    from pypdf import PdfReader

    return "\n\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
