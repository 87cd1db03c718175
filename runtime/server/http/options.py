"""Convert the `chat` section to the options of ChatKit's web component, which `GET /chatkit/options.json` returns.

The names are those of ChatKitOptions in `@openai/chatkit` 1.9, without its functions, which only a page can supply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from runtime.assemble.roles import may_use, required_by
from runtime.auth.user import LOCAL_USER, User
from runtime.config.model import Config
from runtime.config.model.chat import Attachments, MentionEntity, Prompt, PromptMention, PromptText
from runtime.config.model.component import Composer, ComposerModel, ComposerTool, Header, HistoryPanel, PageComponent


def component_options(config: Config, url: str, base_url: str = "", user: User = LOCAL_USER) -> dict[str, Any]:
    """Return the argument of `setOptions`, with the tools of the composer that the user may use.

    `url` is the path of the ChatKit endpoint as the page sees it, `base_url` its absolute URL.
    """
    chat = config.chat
    options: dict[str, Any] = {
        "api": {"url": url, "domainKey": chat.domain_key, **_upload_strategy(chat.attachments, base_url)},
        "startScreen": _start_screen(config),
        "composer": _composer(chat.composer, config, user),
        "header": _header(chat.header),
        "history": _history(chat.history_panel),
        "threadItemActions": {"feedback": chat.feedback is not False, "retry": chat.retry},
        "thread": {"autoScroll": chat.auto_scroll},
        "locale": chat.locale,
        "frameTitle": chat.frame_title,
        "theme": _camel(chat.theme) if chat.theme is not None else None,
        "disclaimer": _camel(chat.disclaimer) if chat.disclaimer is not None else None,
        "entities": {"showComposerMenu": True} if chat.tags is not None and chat.tags.menu else None,
        "widgets": {"components": _page_components(chat.components)} if chat.components else None,
        "commands": {"enabled": True} if chat.composer.commands else None,
    }
    return {name: value for name, value in options.items() if value is not None}


def _page_components(components: Mapping[str, PageComponent]) -> dict[str, Any]:
    return {kind: component.model_dump(exclude_none=True) for kind, component in components.items()}


def _upload_strategy(declared: Attachments | None, base_url: str) -> dict[str, Any]:
    if declared is None:
        return {}
    if declared.upload == "direct":
        return {"uploadStrategy": {"type": "direct", "uploadUrl": f"{base_url}/files"}}
    return {"uploadStrategy": {"type": "two_phase"}}


def _attachments(declared: Attachments) -> dict[str, Any]:
    # MIME types without suffixes: the browser's file picker knows the suffixes of a type.
    accept = {pattern: list[str]() for pattern in declared.accept}
    return {"enabled": True, "maxSize": declared.max_size, "maxCount": declared.max_count, "accept": accept}


def _start_screen(config: Config) -> dict[str, Any]:
    entities = {entity.id: entity for entity in config.chat.tags.entities} if config.chat.tags is not None else {}
    prompts = [{**_camel(each), "prompt": _prompt(each.prompt, entities)} for each in config.chat.start_prompts]
    screen: dict[str, Any] = {"prompts": prompts}
    return screen if config.chat.greeting is None else {"greeting": config.chat.greeting, **screen}


def _prompt(prompt: Prompt, entities: Mapping[str, MentionEntity]) -> Any:
    """Return the text, or the content of a user's message: texts and tags."""
    if isinstance(prompt, str):
        return prompt
    return [
        {"type": "input_text", "text": part.text} if isinstance(part, PromptText) else _mention(part, entities)
        for part in prompt
    ]


def _mention(part: PromptMention, entities: Mapping[str, MentionEntity]) -> dict[str, Any]:
    entity = entities.get(part.tag)
    data = {} if entity is None else {key: value for key, value in entity.data.items() if isinstance(value, str)}
    interactive = part.interactive if part.interactive is not None else entity is not None and entity.interactive
    tag = {
        "type": "input_tag",
        "id": part.tag,
        "text": part.text or (part.tag if entity is None else entity.title),
        "group": part.group or (None if entity is None else entity.group),
        "data": {**data, **part.data},
        "interactive": interactive,
    }
    return {name: value for name, value in tag.items() if value is not None}


def _composer(composer: Composer, config: Config, user: User) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if composer.placeholder is not None:
        options["placeholder"] = composer.placeholder
    if config.chat.attachments is not None:
        options["attachments"] = _attachments(config.chat.attachments)
    if config.chat.dictation is not None:
        options["dictation"] = {"enabled": True}
    if composer.models:
        options["models"] = [_model(choice) for choice in composer.models]
    tools = [
        choice for choice in composer.tools if may_use(user, required_by(config, config.tools.get(choice.tool or "")))
    ]
    if tools:
        options["tools"] = [_tool(choice) for choice in tools]
    return options


def _model(choice: ComposerModel) -> dict[str, Any]:
    label = choice.label or choice.model
    flags = {name: True for name in ("disabled", "default") if getattr(choice, name)}
    description = {} if choice.description is None else {"description": choice.description}
    return {"id": choice.model, "label": label, **description, **flags}


def _tool(choice: ComposerTool) -> dict[str, Any]:
    required = {"id": choice.id, "label": choice.label, "icon": choice.icon}
    texts = {"shortLabel": choice.short_label, "placeholderOverride": choice.placeholder}
    flags = {name: True for name in ("pinned", "persistent") if getattr(choice, name)}
    return {**required, **{name: text for name, text in texts.items() if text is not None}, **flags}


def _header(header: Header) -> dict[str, Any]:
    title: dict[str, Any] = {"enabled": header.show_title}
    return {"enabled": header.enabled, "title": title if header.title is None else {**title, "text": header.title}}


def _history(panel: HistoryPanel) -> dict[str, Any]:
    return {"enabled": panel.enabled, "showDelete": panel.delete, "showRename": panel.rename}


def _camel(section: BaseModel) -> dict[str, Any]:
    options: dict[str, Any] = _with_camel_names(section.model_dump(exclude_none=True))
    return options


def _with_camel_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel_name(name): _with_camel_names(inner) for name, inner in value.items()}
    return [_with_camel_names(inner) for inner in value] if isinstance(value, list) else value


def _camel_name(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
