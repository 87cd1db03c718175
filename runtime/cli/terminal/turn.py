"""Show one answer while it streams, and remember what it leaves open: choices, a client tool, questions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from runtime.cli.terminal.client import Event
from runtime.cli.terminal.draw import Choice, draw_widget
from runtime.cli.terminal.plain import one_line, plain
from runtime.cli.terminal.widget_updates import apply_update

_LEVELS = {"info": "cyan", "warning": "yellow", "danger": "red"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A choice that a person may pick by its number, and the widget that it belongs to."""

    choice: Choice
    item_id: str


@dataclass(slots=True)
class Turn:
    """What a stream told: shown on `console` as it came, and kept for what follows."""

    console: Console
    thread_id: str | None = None
    last_user_item: str | None = None
    shows_user: bool = False
    """Whether the user's messages are shown too: those that an action made, which nobody typed."""
    can_retry: bool = True
    """Whether an answer to the last message is what streams: `/retry` can't repeat an action."""
    offers: list[Offer] = field(default_factory=list)
    client_tool: dict[str, Any] | None = None
    questions: dict[str, Any] | None = None
    failed: bool = False
    _written: dict[str, str] = field(default_factory=dict)
    _widgets: dict[str, dict[str, Any]] = field(default_factory=dict)
    _line_is_open: bool = False
    _title: str | None = None

    def take(self, event: Event) -> None:
        """Show one event; one of a type that is not known is passed over."""
        show = _EVENTS.get(str(event.get("type")))
        if show:
            show(self, event)

    def finish(self) -> None:
        """Show what waited for the end: widgets that were never called done, and the title."""
        self.end_line()
        for item_id, widget in list(self._widgets.items()):
            self._draw_widget(item_id, widget)
        self._widgets.clear()
        if self._title:
            self.line(f"title: {one_line(self._title)}", "dim")

    def show_item(self, item: dict[str, Any]) -> None:
        """Show an item as it is stored, as when a thread is opened."""
        if item.get("type") == "user_message":
            self._user_message(item)
        else:
            self._item_done(item)

    def line(self, text: str, style: str = "") -> None:
        """Print a line of its own."""
        self.end_line()
        # The terminal wraps these: broken lines would be wrong in a pipe, and in what a person copies.
        self.console.print(Text(text, style=style), soft_wrap=True)

    def show(self, body: RenderableType) -> None:
        """Print something on lines of its own."""
        self.end_line()
        self.console.print(body)

    def end_line(self) -> None:
        """Begin a new line if streamed text left one open."""
        if self._line_is_open:
            self.console.out()
            self._line_is_open = False

    # Threads

    def _thread(self, event: Event) -> None:
        thread = event.get("thread") or {}
        self.thread_id = thread.get("id", self.thread_id)
        # A title comes while the text streams; it is shown when it can't cut a sentence in two.
        self._title = thread.get("title") or self._title
        status = thread.get("status") or {}
        if status.get("type") in ("locked", "closed"):
            reason = f": {one_line(status['reason'])}" if status.get("reason") else ""
            self.line(f"this thread is {status['type']}{reason}", "yellow")

    # Items

    def _added(self, event: Event) -> None:
        item = event["item"]
        if item.get("type") == "assistant_message":
            self._write(item["id"], content_text(item))
        elif item.get("type") == "widget":
            self._widgets[item["id"]] = item.get("widget") or {}

    def _updated(self, event: Event) -> None:
        item_id, update = event["item_id"], event.get("update") or {}
        kind = str(update.get("type"))
        if kind == "assistant_message.content_part.text_delta":
            self._write_more(item_id, update.get("delta", ""))
        elif kind.startswith("widget.") and item_id in self._widgets:
            self._widgets[item_id] = apply_update(self._widgets[item_id], update)
        elif kind == "workflow.task.added":
            self._task(update.get("task") or {})
        elif kind == "generated_image.updated" and update.get("progress") is not None:
            self.line(f"… drawing, {float(update['progress']):.0%}", "dim")

    def _done(self, event: Event) -> None:
        item = event["item"]
        if item.get("type") == "user_message":
            self._user_message(item)
        else:
            self._item_done(item)

    def _replaced(self, event: Event) -> None:
        self._written.pop(event["item"].get("id"), None)
        self._item_done(event["item"])

    def _removed(self, event: Event) -> None:
        if self._written.pop(event["item_id"], None):
            self.line("(the text above was withdrawn)", "yellow")
        self.offers = [offer for offer in self.offers if offer.item_id != event["item_id"]]

    def _item_done(self, item: dict[str, Any]) -> None:
        show = _ITEMS.get(str(item.get("type")))
        if show:
            show(self, item)

    def _user_message(self, item: dict[str, Any]) -> None:
        if self.shows_user:
            self.line(f"you: {plain(content_text(item))}", "bold")
        self.can_retry = True
        self.last_user_item = item.get("id", self.last_user_item)
        self.thread_id = item.get("thread_id", self.thread_id)

    def _message(self, item: dict[str, Any]) -> None:
        self._write(item["id"], content_text(item))
        self.end_line()
        sources = [note.get("source") or {} for part in item.get("content", []) for note in part.get("annotations", [])]
        for number, source in enumerate(sources, 1):
            where = source.get("url") or source.get("filename") or source.get("id") or ""
            self.line(f"  [{number}] {one_line(source.get('title'))} {one_line(where)}".rstrip(), "dim")

    def _write(self, item_id: str, text: str) -> None:
        """Print the rest of a text of which the beginning may have streamed already."""
        known = self._written.get(item_id, "")
        if text.startswith(known):
            self._write_more(item_id, text[len(known) :])
        else:
            self.end_line()
            self._written[item_id] = ""
            self._write_more(item_id, text)

    def _write_more(self, item_id: str, delta: str) -> None:
        if delta:
            self._written[item_id] = self._written.get(item_id, "") + delta
            self.console.out(plain(delta), end="", highlight=False)
            self._line_is_open = True

    def _widget(self, item: dict[str, Any]) -> None:
        self._widgets.pop(item.get("id", ""), None)
        self._draw_widget(item.get("id", ""), item.get("widget") or {})

    def _draw_widget(self, item_id: str, widget: dict[str, Any]) -> None:
        drawing = draw_widget(widget, first=len(self.offers) + 1)
        self.show(drawing.body)
        self.offers.extend(Offer(choice, item_id) for choice in drawing.choices)

    def _image(self, item: dict[str, Any]) -> None:
        url = one_line((item.get("image") or {}).get("url"))
        self.line(f"[image: {url if len(url) <= 200 else f'{url[:60]}… ({len(url)} characters)'}]", "dim")

    def _workflow(self, item: dict[str, Any]) -> None:
        workflow = item.get("workflow") or {}
        summary = workflow.get("summary") or {}
        title = summary.get("title") or (f"thought for {summary['duration']} s" if "duration" in summary else "")
        if title:
            self.line(f"· {one_line(title)}", "dim")
        for task in workflow.get("tasks", []):
            if task.get("type") == "thought" and task.get("content"):
                self.line(plain(task["content"]), "dim italic")

    def _task_item(self, item: dict[str, Any]) -> None:
        self._task(item.get("task") or {})

    def _task(self, task: dict[str, Any]) -> None:
        text = task.get("title") or task.get("title_query") or ", ".join(task.get("queries") or [])
        if text:
            self.line(f"· {one_line(text)}", "dim")

    def _client_tool(self, item: dict[str, Any]) -> None:
        if item.get("status") == "pending":
            self.client_tool = item
        arguments = json.dumps(item.get("arguments"), ensure_ascii=False, indent=2)
        self.line(f"client tool {one_line(item.get('name'))} {plain(arguments)}", "magenta")
        if item.get("status") == "completed":
            self.line(f"  gave {one_line(json.dumps(item.get('output'), ensure_ascii=False))}", "dim")

    def _structured(self, item: dict[str, Any]) -> None:
        if item.get("status") == "pending":
            self.questions = item
            return
        for question in item.get("inputs", []):
            answer = question.get("answer") or {}
            said = "skipped" if answer.get("skipped") else ", ".join(answer.get("values") or [])
            self.line(f"{one_line(question.get('question'))} {one_line(said)}", "dim")

    # What is not stored

    def _progress(self, event: Event) -> None:
        self.line(f"… {one_line(event.get('text'))}", "dim")

    def _effect(self, event: Event) -> None:
        data = json.dumps(event.get("data") or {}, ensure_ascii=False)
        self.line(f"effect {one_line(event.get('name'))} {one_line(data)}", "magenta")

    def _notice(self, event: Event) -> None:
        title = f"{one_line(event['title'])}: " if event.get("title") else ""
        level = str(event.get("level"))
        self.line(f"{one_line(level)}: {title}{plain(event.get('message'))}", _LEVELS.get(level, ""))

    def _error(self, event: Event) -> None:
        self.failed = True
        retry = " (/retry tries again)" if event.get("allow_retry") and self.can_retry else ""
        message = plain(event.get("message")) or f"the turn failed ({one_line(event.get('code'))})"
        self.line(f"error: {message}{retry}", "red")


def content_text(item: dict[str, Any]) -> str:
    """The text of a message, of which each part may hold some."""
    return "".join(str(part.get("text", "")) for part in item.get("content", []))


_EVENTS: dict[str, Callable[[Turn, Event], None]] = {
    "thread.created": Turn._thread,
    "thread.updated": Turn._thread,
    "thread.item.added": Turn._added,
    "thread.item.updated": Turn._updated,
    "thread.item.done": Turn._done,
    "thread.item.replaced": Turn._replaced,
    "thread.item.removed": Turn._removed,
    "progress_update": Turn._progress,
    "client_effect": Turn._effect,
    "notice": Turn._notice,
    "error": Turn._error,
}

_ITEMS: dict[str, Callable[[Turn, dict[str, Any]], None]] = {
    "assistant_message": Turn._message,
    "widget": Turn._widget,
    "generated_image": Turn._image,
    "workflow": Turn._workflow,
    "task": Turn._task_item,
    "client_tool_call": Turn._client_tool,
    "structured_input": Turn._structured,
}
