"""Convert thread items to the model's input: messages, calls of earlier turns, attachments, and the summary."""

from __future__ import annotations

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
    ClientToolCallItem,
    GeneratedImageItem,
    HiddenContextItem,
    SDKHiddenContextItem,
    StructuredInputItem,
    TaskItem,
    ThreadItem,
    UserMessageItem,
    UserMessageTagContent,
    WidgetItem,
    WorkflowItem,
)
from openai.types.responses import (
    ResponseInputContentParam,
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)

from runtime.assemble.chat import BuiltMentions
from runtime.assemble.context import RuntimeContext
from runtime.assemble.project_objects import OwnConverter
from runtime.config.model.chat import History
from runtime.documents.untrusted import defuse, is_suspect
from runtime.resources.threads import in_file_thread
from runtime.sdk_internals import convert_item
from runtime.server.attachments.content import MODEL_IMAGES, SVG, decode_text, read_picture
from runtime.server.attachments.pdf_text import PdfText, PdfTexts
from runtime.server.attachments.signed_urls import grant_of
from runtime.server.attachments.uploads import Uploads
from runtime.server.history.interruption import is_interruption
from runtime.server.history.window import PROVIDER_DATA, window
from runtime.stores.serialization import Summary
from runtime.stores.store import ModelItem

logger = logging.getLogger("runtime.server")

MOST_CHARACTERS = 100_000
"""The most characters of an attached file that the model gets as text."""
UNANSWERED = "The call was not answered: the conversation went on without its result."
EARLIER = "Earlier in this conversation: "


@dataclass(frozen=True, slots=True)
class Conversion:
    """The turn whose input is being converted."""

    context: RuntimeContext
    owner: str
    mentions: BuiltMentions | None
    uploads: Uploads | None
    reads_files: bool
    """Whether the model accepts files of any type."""


conversion: ContextVar[Conversion | None] = ContextVar("conversion", default=None)


class RuntimeConverter(ThreadItemConverter):
    """ChatKit's converter, with fixes of its defaults."""

    async def assistant_message_to_input(
        self, item: AssistantMessageItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Send plain text: Chat Completions models reject `output_text` parts in their input."""
        text = "".join(part.text for part in item.content)
        return cast(TResponseInputItem, {"role": "assistant", "content": text}) if text else None

    async def user_message_to_input(
        self, item: UserMessageItem, is_last_message: bool = True
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Send a text without parts if possible: the SDK copies its input several times, and parts double the cost."""
        item = _defused(item)
        only_text = all(part.type == "input_text" for part in item.content)
        if item.attachments or item.quoted_text or not only_text:
            return await super().user_message_to_input(item, is_last_message)
        return cast(TResponseInputItem, {"role": "user", "content": "".join(part.text for part in item.content)})

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputContentParam:
        """Describe a mention to the model: by the text from `chat.tags`, or else by the browser's data."""
        turn = conversion.get()
        if turn is not None and turn.mentions is not None:
            text = await turn.mentions.describe(tag, turn.context)
            if text is not None:
                return ResponseInputTextParam(type="input_text", text=defuse(text))
        data = json.dumps({"id": tag.id, "text": tag.text, "group": tag.group, "data": tag.data}, ensure_ascii=False)
        return ResponseInputTextParam(type="input_text", text=defuse(f"@{tag.text} stands for {data}"))

    async def attachment_to_message_content(self, attachment: Attachment) -> ResponseInputContentParam:
        """Give the model an attachment, in a form that it accepts."""
        turn = conversion.get()
        if turn is None or turn.uploads is None:
            return missing_file_part(attachment)
        try:
            content = await turn.uploads.read(turn.owner, attachment.id)
        except NotFoundError:
            return missing_file_part(attachment)
        return await file_part(attachment, content, turn.reads_files, turn.uploads.pdf_texts)

    async def hidden_context_to_input(
        self, item: HiddenContextItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Write content that is not text as JSON, where the SDK raises."""
        if not isinstance(item.content, str):
            item = item.model_copy(update={"content": json.dumps(item.content, ensure_ascii=False, default=str)})
        return await super().hidden_context_to_input(item.model_copy(update={"content": defuse(item.content)}))

    async def sdk_hidden_context_to_input(
        self, item: SDKHiddenContextItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Keep the content inside of its tag."""
        return await super().sdk_hidden_context_to_input(item.model_copy(update={"content": defuse(item.content)}))

    async def task_to_input(self, item: TaskItem) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Keep the texts of the task inside of their tag."""
        return await super().task_to_input(item.model_copy(update={"task": _defused_task(item.task)}))

    async def workflow_to_input(self, item: WorkflowItem) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Keep the texts of each task inside of their tag."""
        workflow = item.workflow.model_copy(update={"tasks": [_defused_task(task) for task in item.workflow.tasks]})
        return await super().workflow_to_input(item.model_copy(update={"workflow": workflow}))

    async def structured_input_to_input(
        self, item: StructuredInputItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Keep the user's answers inside of their tag, one line each."""
        inputs = [_defused_question(question) for question in item.inputs]
        return await super().structured_input_to_input(item.model_copy(update={"inputs": inputs}))

    async def widget_to_input(self, item: WidgetItem) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Describe a widget as its JSON, in which no text imitates hidden context."""
        tree = item.widget.model_dump_json(exclude_unset=True, exclude_none=True)
        shown = f"The following graphical UI widget (id: {item.id}) was displayed to the user:{defuse(tree)}"
        content = [ResponseInputTextParam(type="input_text", text=shown)]
        return cast(TResponseInputItem, {"type": "message", "content": content, "role": "user"})

    async def generated_image_to_input(
        self, item: GeneratedImageItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Send the content of a stored image: its URL is for the user, and expires."""
        turn = conversion.get()
        if item.image is None or turn is None or turn.uploads is None:
            return await super().generated_image_to_input(item)
        try:
            content = await turn.uploads.read_generated(turn.owner, item.image.url)
        except NotFoundError:
            return _message("The agent generated an image here, which is no longer there.")
        if content is None:
            return await super().generated_image_to_input(item)
        picture = read_picture(io.BytesIO(content))
        url = await _data_url("image/png" if picture is None else picture.mime_type, content)
        return await super().generated_image_to_input(
            item.model_copy(update={"image": item.image.model_copy(update={"url": url})})
        )

    async def client_tool_call_to_input(
        self, item: ClientToolCallItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Give the model its own call, with what its endpoint wants back."""
        converted = await super().client_tool_call_to_input(item)
        data = getattr(item, PROVIDER_DATA, None)
        if data and isinstance(converted, list):
            for call in converted:
                if call.get("type") == "function_call":
                    cast(dict[str, Any], call)[PROVIDER_DATA] = data
        return converted

    async def to_agent_input(self, thread_items: Sequence[ThreadItem] | ThreadItem) -> list[TResponseInputItem]:
        """Convert thread items; a `ModelItem` holds the model's input as it is."""
        given = thread_items if isinstance(thread_items, Sequence) else [thread_items]
        items = [item for item in given if not is_interruption(item)]
        model_input: list[TResponseInputItem] = []
        # The turn of the user's last message may go on after a client tool, questions or an approval.
        message = next((item for item in reversed(items) if isinstance(item, UserMessageItem)), None)
        image = next((item for item in reversed(items) if isinstance(item, GeneratedImageItem)), None)
        is_own = type(self).generated_image_to_input is not RuntimeConverter.generated_image_to_input
        for item in items:
            if isinstance(item, GeneratedImageItem) and item is not image and not is_own and _is_large(item):
                # The model gets the newest image alone: each one would be sent again with every later message.
                model_input.append(_message("The agent generated an image here, which is not part of this input."))
            elif isinstance(item, ModelItem):
                model_input += item.content.get("model_items", ())
            else:
                model_input += await convert_item(self, item, item is message or item is items[-1])
        return model_input


def _message(text: str) -> TResponseInputItem:
    content = [ResponseInputTextParam(type="input_text", text=text)]
    return cast(TResponseInputItem, {"type": "message", "content": content, "role": "user"})


def _is_large(item: GeneratedImageItem) -> bool:
    """Return whether the model would get the content of an image, not its address."""
    return item.image is not None and (item.image.url.startswith("data:") or grant_of(item.image.url) is not None)


def _defused(item: UserMessageItem) -> UserMessageItem:
    texts = [part.text for part in item.content]
    if not any(map(is_suspect, (*texts, item.quoted_text or "", *(each.name for each in item.attachments)))):
        return item
    changes = {
        "content": [part.model_copy(update={"text": defuse(part.text)}) for part in item.content],
        "quoted_text": None if item.quoted_text is None else defuse(item.quoted_text),
        "attachments": [each.model_copy(update={"name": defuse(each.name)}) for each in item.attachments],
    }
    return item.model_copy(update=changes)


def _defused_task(task: Any) -> Any:
    texts = {name: getattr(task, name, None) for name in ("title", "content")}
    changed = {name: defuse(text) for name, text in texts.items() if isinstance(text, str) and is_suspect(text)}
    return task.model_copy(update=changed) if changed else task


def _defused_question(question: Any) -> Any:
    if question.answer is None:
        return question
    values = [defuse(" ".join(value.splitlines())) for value in question.answer.values]
    return question.model_copy(update={"answer": question.answer.model_copy(update={"values": values})})


def build_converter(own: OwnConverter, arguments: Mapping[str, Any]) -> ThreadItemConverter:
    """Combine the project's converter with ours: its overrides win. A class is called with `arguments`."""
    if own is None:
        return RuntimeConverter()
    kind = own if isinstance(own, type) else type(own)
    mixed = kind if issubclass(kind, RuntimeConverter) else type(kind.__name__, (kind, RuntimeConverter), {})
    if isinstance(own, type):
        return cast(ThreadItemConverter, mixed(**arguments))
    converter = copy.copy(own)
    converter.__class__ = mixed
    return converter


async def to_model_input(
    converter: ThreadItemConverter, items: Sequence[ThreadItem], history: History, summary: Summary | None = None
) -> list[TResponseInputItem]:
    """Convert a window of a thread, oldest first, into input that every model endpoint accepts.

    The summary replaces the items that it covers.
    """
    model_input = repair(await converter.to_agent_input(window(items, history, summary)))
    if summary is None:
        return model_input
    # In a role that handoffs, prefaces and guardrails do not take for a user message.
    return [cast(TResponseInputItem, {"role": "system", "content": f"{EARLIER}{defuse(summary.text)}"}), *model_input]


def with_preface(items: list[TResponseInputItem], preface: str) -> list[TResponseInputItem]:
    """Insert a text before the user's last message; it is part of this turn only."""
    if not preface.strip():
        return items
    user_messages = [index for index, item in enumerate(items) if item.get("role") == "user"]
    at = user_messages[-1] if user_messages else len(items)
    return [*items[:at], cast(TResponseInputItem, {"role": "user", "content": preface}), *items[at:]]


def repair(items: Iterable[TResponseInputItem]) -> list[TResponseInputItem]:
    """Move every output behind its call, add one to calls without, and drop outputs without a call.

    Otherwise endpoints reject the conversation, and the thread could never continue.
    """
    listed = cast(list[dict[str, Any]], list(items))
    if not any("call_id" in item for item in listed):
        return cast(list[TResponseInputItem], listed)
    # Some endpoints restart their call ids in each response: one id then has several outputs, in order.
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
    queues = ((call["call_id"], outputs[call["call_id"]]) for call in calls)
    return calls + [queue.popleft() if queue else {**unanswered, "call_id": call_id} for call_id, queue in queues]


async def file_part(
    attachment: Attachment, content: bytes, reads_files: bool, pdf_texts: PdfTexts
) -> ResponseInputContentParam:
    """Return an attachment as a part of a message: a picture, its text, or, if `reads_files`, the file itself.

    An endpoint rejects an image that it can't read, and so every later message of the thread.
    """
    mime_type = attachment.mime_type
    if mime_type.startswith("image/") and mime_type != SVG:
        picture = read_picture(io.BytesIO(content))
        if picture is None or picture.mime_type not in MODEL_IMAGES:
            return _unread(attachment)
        url = await _data_url(picture.mime_type, content)
        return ResponseInputImageParam(type="input_image", detail="auto", image_url=url)
    if mime_type.startswith("text/") or mime_type in ("application/json", "application/xml", SVG):
        return _text(attachment, decode_text(content, MOST_CHARACTERS))
    if reads_files:
        file_data = await _data_url(mime_type, content)
        return ResponseInputFileParam(type="input_file", filename=attachment.name, file_data=file_data)
    if mime_type == "application/pdf":
        pdf = await pdf_texts.get(attachment.id, content)
        if pdf.missing < pdf.pages:
            return _text(attachment, pdf.text, _missing_pages(pdf))
        return _unread(attachment, ": its pages are broken, or take too much time or memory")
    return _unread(attachment)


def _missing_pages(pdf: PdfText) -> str:
    """Return the note for the model about a PDF whose text is incomplete."""
    if not pdf.missing:
        return ""
    reason = ", because the file takes too much time or memory" if pdf.stopped else ""
    return f"\n[… {pdf.missing} of {pdf.pages} pages are missing: they can't be read here{reason}]"


def _unread(attachment: Attachment, reason: str = "") -> ResponseInputTextParam:
    name, mime_type = attachment.name, attachment.mime_type
    text = f"[The user attached {name!r} ({mime_type}), which can't be read here{reason}.]"
    return ResponseInputTextParam(type="input_text", text=text)


def missing_file_part(attachment: Attachment) -> ResponseInputContentParam:
    """Return the part of a message for an attachment whose file no longer exists."""
    return ResponseInputTextParam(
        type="input_text", text=f"[The user attached {attachment.name!r}, which is no longer there.]"
    )


async def _data_url(mime_type: str, content: bytes) -> str:
    # In a thread: 20 MB take 50 ms.
    encoded = await in_file_thread(base64.b64encode, content)
    return f"data:{mime_type};base64,{encoded.decode()}"


def _text(attachment: Attachment, text: str, missing: str = "") -> ResponseInputTextParam:
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}\n[… cut off after {MOST_CHARACTERS} characters]"
    name = defuse(attachment.name)
    return ResponseInputTextParam(type="input_text", text=f"<FILE name={name!r}>\n{defuse(text)}{missing}\n</FILE>")
