"""`ask` and `steps` of a tool: questions to the user without Python, and what a tool shows while it works."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chatkit.types import (
    CustomTask,
    StructuredInputFreeform,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
    ThreadItemDoneEvent,
    Workflow,
)

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.config.model.tools import AskTool, Question
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")
ASKED = "The user was asked; the answers follow."


@dataclass(frozen=True, slots=True)
class _Built:
    id: str
    question: Template
    description: Template | None
    options: tuple[Template, ...]
    multiple: bool


class Questions:
    """The questions of an `ask` tool."""

    def __init__(self, entry: AskTool) -> None:
        self._questions = [_built(question) for question in entry.ask]

    async def ask(self, context: RuntimeContext, arguments: dict[str, Any]) -> None:
        """Show the questions. Raise TemplateError."""
        scope = {**scope_of(context), "args": arguments}
        inputs = [_shown(question, scope) for question in self._questions]
        item = StructuredInputItem(
            id=context.generate_id("message"), thread_id=context.thread.id, created_at=datetime.now(UTC), inputs=inputs
        )
        await context.stream(ThreadItemDoneEvent(item=item))


def _built(question: Question) -> _Built:
    description = Template.parse(question.description) if question.description else None
    options = tuple(Template.parse(option) for option in question.options)
    return _Built(question.id, Template.parse(question.question), description, options, question.multiple)


def _shown(question: _Built, scope: dict[str, Any]) -> Any:
    text = str(question.question.render(scope))
    if not question.options:
        description = str(question.description.render(scope)) if question.description is not None else None
        return StructuredInputFreeform(id=question.id, question=text, description=description)
    options = [StructuredInputMultipleChoiceOption(value=value) for value in _values(question.options, scope)]
    return StructuredInputMultipleChoice(id=question.id, question=text, options=options, multiple=question.multiple)


def _values(options: Sequence[Template], scope: dict[str, Any]) -> list[str]:
    values: list[str] = []
    for option in options:
        value = option.render(scope)
        # One expression may stand for a whole list: `"{{ args.places }}"`.
        values += map(str, value) if isinstance(value, list | tuple) else [str(value)]
    return values


class Steps:
    """The steps of one tool: shown as a workflow while it works, each done when the next begins."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [Template.parse(text) for text in texts]

    async def begin(self, context: RuntimeContext, arguments: str) -> None:
        """Show the steps; the first one is under way."""
        try:
            scope = {**scope_of(context), "args": json.loads(arguments or "{}")}
            titles = [str(text.render(scope)) for text in self._texts]
        except (json.JSONDecodeError, TemplateError) as error:
            logger.warning("the steps of a tool can't be shown: %s", error)
            return
        tasks: list[Any] = [CustomTask(title=title, status_indicator="none") for title in titles]
        tasks[0].status_indicator = "loading"
        await context.start_workflow(Workflow(type="custom", tasks=tasks, expanded=True))
        context._turn_state.workflow_step = 0

    async def end(self, context: RuntimeContext) -> None:
        """Mark what is left as done, and close the workflow."""
        if context._turn_state.workflow_step is None:
            return
        while await context.next_step():
            continue
        await context.end_workflow()
