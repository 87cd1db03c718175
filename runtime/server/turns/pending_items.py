"""Items as the events so far have left them: those that are not done, and stored ones that a turn updates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatkit import types
from chatkit.widgets import DynamicWidgetRoot


class PendingMessage:
    """An assistant message; its text is a list of pieces, joined on demand."""

    __slots__ = ("annotations", "item", "parts")

    def __init__(self, item: types.AssistantMessageItem) -> None:
        self.item = item
        self.parts: list[list[str]] = [[part.text] for part in item.content]
        self.annotations: dict[int, list[types.Annotation]] = {
            index: [*part.annotations] for index, part in enumerate(item.content)
        }

    def part(self, index: int) -> list[str]:
        """Return the pieces of one part of the content."""
        while len(self.parts) <= index:
            self.parts.append([])
        return self.parts[index]

    def apply(self, update: types.ThreadItemUpdate) -> None:
        """Apply an update; one for another kind of item changes nothing."""
        match update:
            case types.AssistantMessageContentPartTextDelta(content_index=index, delta=delta):
                self.part(index).append(delta)
            case types.AssistantMessageContentPartAnnotationAdded(content_index=index, annotation=annotation):
                self.part(index)
                self.annotations.setdefault(index, []).insert(update.annotation_index, annotation)
            case (
                types.AssistantMessageContentPartAdded(content_index=index, content=content)
                | types.AssistantMessageContentPartDone(content_index=index, content=content)
            ):
                self.part(index)[:] = [content.text]
                if content.annotations:
                    self.annotations[index] = [*content.annotations]

    def so_far(self) -> types.AssistantMessageItem | None:
        """Return the message, or None if it has no text yet."""
        joined = ["".join(part) for part in self.parts]
        if not any(text.strip() for text in joined):
            return None
        content = [
            types.AssistantMessageContent(text=text, annotations=self.annotations.get(index, []))
            for index, text in enumerate(joined)
        ]
        return self.item.model_copy(update={"content": content})


class PendingItem:
    """An item of another kind: a copy, because the project's code may change its own."""

    __slots__ = ("_nodes", "_tree", "item")

    def __init__(self, item: types.ThreadItem) -> None:
        if isinstance(item, types.WorkflowItem):
            workflow = item.workflow.model_copy(update={"tasks": [*item.workflow.tasks]})
            item = item.model_copy(update={"workflow": workflow})
        self.item = item
        self._tree: dict[str, Any] | None = None
        self._nodes: dict[str, dict[str, Any]] = {}
        """The components of the tree of a widget, by their id."""

    def apply(self, update: types.ThreadItemUpdate) -> None:
        """Apply an update; one for another kind of item changes nothing."""
        match self.item, update:
            case types.WorkflowItem(workflow=workflow), types.WorkflowTaskAdded() | types.WorkflowTaskUpdated():
                workflow.tasks[update.task_index : update.task_index + 1] = [update.task]
            case types.GeneratedImageItem(), types.GeneratedImageUpdated(image=image):
                self.item = self.item.model_copy(update={"image": image})
            case types.WidgetItem(), types.WidgetRootUpdated(widget=widget):
                self.item, self._tree = self.item.model_copy(update={"widget": widget}), None
            case types.WidgetItem(), types.WidgetComponentUpdated(component=component):
                if (node := self._node(update.component_id)) is not None:
                    node.clear()
                    node.update(_as_tree(component))
                    self._index()
            case types.WidgetItem(), types.WidgetStreamingTextValueDelta(delta=delta):
                if (node := self._node(update.component_id)) is not None:
                    node["value"] = f"{node.get('value') or ''}{delta}"
                    node["streaming"] = not update.done

    def _node(self, component_id: str) -> dict[str, Any] | None:
        if self._tree is None and isinstance(self.item, types.WidgetItem):
            self._tree = _as_tree(self.item.widget)
            self._index()
        return self._nodes.get(component_id)

    def _index(self) -> None:
        self._nodes = {str(node["id"]): node for node in _nodes_of(self._tree) if node.get("id") is not None}

    def so_far(self) -> types.ThreadItem | None:
        """Return the item, or None if it shows nothing yet."""
        if isinstance(self.item, types.GeneratedImageItem) and self.item.image is None:
            return None
        if isinstance(self.item, types.WidgetItem):
            if self._tree is None and not _is_streaming(self.item.widget):
                return self.item
            tree = self._tree or _as_tree(self.item.widget)
            for node in _nodes_of(tree):
                if node.get("streaming"):
                    node["streaming"] = False
            return self.item.model_copy(update={"widget": DynamicWidgetRoot.model_validate(tree)})
        return self.item


Pending = PendingMessage | PendingItem


def is_piece(update: types.ThreadItemUpdate) -> bool:
    """Return whether the update is one of many that follow each other: a stored item is not written for each."""
    match update:
        case types.AssistantMessageContentPartTextDelta():
            return True
        case types.WidgetStreamingTextValueDelta(done=done):
            return not done
        case types.WorkflowTaskUpdated(task=task):
            return task.type == "thought"
        case _:
            return False


def _as_tree(component: Any) -> dict[str, Any]:
    if not hasattr(component, "model_dump"):
        return dict(component)
    tree: dict[str, Any] = component.model_dump(mode="json", exclude_none=True)
    return tree


def _is_streaming(widget: Any) -> bool:
    return any(node.get("streaming") for node in _nodes_of(_as_tree(widget)))


def _nodes_of(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from _nodes_of(value)
    elif isinstance(part, list):
        for value in part:
            yield from _nodes_of(value)
