"""Print one answer while it streams, and store what the user can do next: choices, a client tool, questions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from runtime.cli.display import one_line, plain
from runtime.cli.terminal.client import Event
from runtime.cli.terminal.draw import Choice, Node, draw_widget, short_address

_LEVELS = {"info": "cyan", "warning": "yellow", "danger": "red"}


@dataclass(slots=True)
class AnswerView:
    """Prints the events of an answer to `console`, and stores what the next request needs.

    `_on_thread_created` handles the event `thread.created`, `_show_widget` prints an item of the type `widget`.
    """

    console: Console
    thread_id: str | None = None
    last_user_item: str | None = None
    shows_user: bool = False
    """Whether to print user messages too: those that an action created were not typed."""
    can_retry: bool = True
    """Whether the stream answers a message: `/retry` can't repeat an action."""
    choices: list[Choice] = field(default_factory=list)
    client_tool: dict[str, Any] | None = None
    questions: dict[str, Any] | None = None
    failed: bool = False
    _written: dict[str, str] = field(default_factory=dict)
    _widgets: dict[str, dict[str, Any]] = field(default_factory=dict)
    _line_is_open: bool = False
    _title: str | None = None

    def take(self, event: Event) -> None:
        """Print one event; unknown types are ignored."""
        name = str(event.get("type")).replace(".", "_")
        if show := getattr(self, f"_on_{name}", None):
            show(event)

    def finish(self) -> None:
        """Print what is left at the end of the stream: unfinished widgets, and the title."""
        self.end_line()
        for item_id, widget in list(self._widgets.items()):
            self._draw_widget(item_id, widget)
        self._widgets.clear()
        if self._title:
            self.line(f"title: {one_line(self._title)}", "dim")

    def show_item(self, item: dict[str, Any]) -> None:
        """Print a complete item; unknown types are ignored."""
        if show := getattr(self, f"_show_{item.get('type')}", None):
            show(item)

    def line(self, text: str, style: str = "") -> None:
        """Print a line of its own."""
        self.end_line()
        # The terminal wraps the line: inserted line breaks would be wrong in a pipe and in copied text.
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

    def _on_thread_created(self, event: Event) -> None:
        thread = event.get("thread") or {}
        self.thread_id = thread.get("id", self.thread_id)
        # A title arrives while the text streams; printing it then would split a sentence.
        self._title = thread.get("title") or self._title
        status = thread.get("status") or {}
        if status.get("type") in ("locked", "closed"):
            reason = f": {one_line(status['reason'])}" if status.get("reason") else ""
            self.line(f"this thread is {status['type']}{reason}", "yellow")

    _on_thread_updated = _on_thread_created

    # Items

    def _on_thread_item_added(self, event: Event) -> None:
        item = event["item"]
        if item.get("type") == "assistant_message":
            self._write(item["id"], content_text(item))
        elif item.get("type") == "widget":
            self._widgets[item["id"]] = item.get("widget") or {}

    def _on_thread_item_updated(self, event: Event) -> None:
        item_id, update = event["item_id"], event.get("update") or {}
        kind = str(update.get("type"))
        if kind == "assistant_message.content_part.text_delta":
            self._write_more(item_id, update.get("delta", ""))
        elif kind.startswith("widget.") and item_id in self._widgets:
            self._widgets[item_id] = apply_update(self._widgets[item_id], update)
        elif kind == "workflow.task.added":
            self._show_task(update)
        elif kind == "generated_image.updated" and update.get("progress") is not None:
            self.line(f"… drawing, {float(update['progress']):.0%}", "dim")

    def _on_thread_item_done(self, event: Event) -> None:
        self.show_item(event["item"])

    def _on_thread_item_replaced(self, event: Event) -> None:
        self._written.pop(event["item"].get("id"), None)
        self.show_item(event["item"])

    def _on_thread_item_removed(self, event: Event) -> None:
        if self._written.pop(event["item_id"], None):
            self.line("(the text above was withdrawn)", "yellow")
        self.choices = [choice for choice in self.choices if choice.item_id != event["item_id"]]

    def _show_user_message(self, item: dict[str, Any]) -> None:
        if self.shows_user:
            self.line(f"you: {plain(content_text(item))}", "bold")
        self.can_retry = True
        self.last_user_item = item.get("id", self.last_user_item)
        self.thread_id = item.get("thread_id", self.thread_id)

    def _show_assistant_message(self, item: dict[str, Any]) -> None:
        self._write(item["id"], content_text(item))
        self.end_line()
        sources = [note.get("source") or {} for part in item.get("content", []) for note in part.get("annotations", [])]
        for number, source in enumerate(sources, 1):
            where = source.get("url") or source.get("filename") or source.get("id") or ""
            self.line(f"  [{number}] {one_line(source.get('title'))} {one_line(where)}".rstrip(), "dim")

    def _write(self, item_id: str, text: str) -> None:
        """Print the part of a text that has not been streamed yet."""
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

    def _show_widget(self, item: dict[str, Any]) -> None:
        self._widgets.pop(item.get("id", ""), None)
        self._draw_widget(item.get("id", ""), item.get("widget") or {})

    def _draw_widget(self, item_id: str, widget: dict[str, Any]) -> None:
        drawing = draw_widget(widget, first=len(self.choices) + 1)
        self.show(drawing.body)
        self.choices.extend(replace(choice, item_id=item_id) for choice in drawing.choices)

    def _show_generated_image(self, item: dict[str, Any]) -> None:
        url = one_line((item.get("image") or {}).get("url"))
        self.line(f"[image: {short_address(url)}]", "dim")

    def _show_workflow(self, item: dict[str, Any]) -> None:
        workflow = item.get("workflow") or {}
        summary = workflow.get("summary") or {}
        title = summary.get("title") or (f"thought for {summary['duration']} s" if "duration" in summary else "")
        if title:
            self.line(f"· {one_line(title)}", "dim")
        for task in workflow.get("tasks", []):
            if task.get("type") == "thought" and task.get("content"):
                self.line(plain(task["content"]), "dim italic")

    def _show_task(self, item: dict[str, Any]) -> None:
        task = item.get("task") or {}
        text = task.get("title") or task.get("title_query") or ", ".join(task.get("queries") or [])
        if text:
            self.line(f"· {one_line(text)}", "dim")

    def _show_client_tool_call(self, item: dict[str, Any]) -> None:
        if item.get("status") == "pending":
            self.client_tool = item
        arguments = json.dumps(item.get("arguments"), ensure_ascii=False, indent=2)
        self.line(f"client tool {one_line(item.get('name'))} {plain(arguments)}", "magenta")
        if item.get("status") == "completed":
            self.line(f"  returned {one_line(json.dumps(item.get('output'), ensure_ascii=False))}", "dim")

    def _show_structured_input(self, item: dict[str, Any]) -> None:
        if item.get("status") == "pending":
            self.questions = item
            return
        for question in item.get("inputs", []):
            answer = question.get("answer") or {}
            text = "skipped" if answer.get("skipped") else ", ".join(answer.get("values") or [])
            self.line(f"{one_line(question.get('question'))} {one_line(text)}", "dim")

    # Events that are not stored

    def _on_progress_update(self, event: Event) -> None:
        self.line(f"… {one_line(event.get('text'))}", "dim")

    def _on_client_effect(self, event: Event) -> None:
        data = json.dumps(event.get("data") or {}, ensure_ascii=False)
        self.line(f"effect {one_line(event.get('name'))} {one_line(data)}", "magenta")

    def _on_notice(self, event: Event) -> None:
        title = f"{one_line(event['title'])}: " if event.get("title") else ""
        level = str(event.get("level"))
        self.line(f"{one_line(level)}: {title}{plain(event.get('message'))}", _LEVELS.get(level, ""))

    def _on_error(self, event: Event) -> None:
        self.failed = True
        retry = " (/retry tries again)" if event.get("allow_retry") and self.can_retry else ""
        message = plain(event.get("message")) or f"the turn failed ({one_line(event.get('code'))})"
        self.line(f"error: {message}{retry}", "red")


def content_text(item: dict[str, Any]) -> str:
    """Return the text of all content parts of a message."""
    return "".join(str(part.get("text", "")) for part in item.get("content", []))


def apply_update(root: Node, update: dict[str, Any]) -> Node:
    """Return the widget's tree after one `widget.…` update; unknown components and update types change nothing."""
    kind = update.get("type")
    if kind == "widget.root.updated" and isinstance(update.get("widget"), dict):
        return dict(update["widget"])
    if kind == "widget.component.updated" and isinstance(update.get("component"), dict):
        component = dict(update["component"])
        return _replace_component(root, update.get("component_id"), lambda node: component)
    if kind == "widget.streaming_text.value_delta":
        delta = str(update.get("delta", ""))
        return _replace_component(
            root, update.get("component_id"), lambda node: {**node, "value": f"{node.get('value', '')}{delta}"}
        )
    return root


def _replace_component(node: Node, component_id: Any, change: Callable[[Node], Node]) -> Node:
    if component_id is not None and node.get("id") == component_id:
        return change(node)
    children = node.get("children")
    if isinstance(children, dict):
        return {**node, "children": _replace_component(children, component_id, change)}
    if not isinstance(children, list):
        return node
    changed = [
        _replace_component(child, component_id, change) if isinstance(child, dict) else child for child in children
    ]
    return {**node, "children": changed}
