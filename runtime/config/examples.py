"""An example or two of each key's value, for the completion of editors; by the section's class and its field.

Kept apart from the models, because reading a file needs none of them: the JSON Schema is the only reader.
"""

from __future__ import annotations

from typing import Any

_PLACE: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_ROWS: list[Any] = ["{{ rows }}", [{"key": "Morning", "value": "{{ morning }}"}]]
_KEY = ["${PROVIDER_KEY}"]

EXAMPLES: dict[str, dict[str, list[Any]]] = {
    "Config": {
        "entry": ["concierge", [{"when": {"tool": "search"}, "agent": "researcher"}, "concierge"]],
        "context": ["app.context:build"],
        "context_class": ["app.context:MyContext"],
        "converter": ["app.convert:Converter"],
        "routes": [["app.api:router"]],
        "state": [{"cats": "app.cats:CatStore"}],
    },
    "Agent": {
        "name": ["Concierge"],
        "model": ["default", "gpt-4.1-mini"],
        "description": ["Knows bills and refunds."],
        "preface": ["The user is {{ user.name }}."],
        "tools": [["get_weather", "tools.billing:refund"]],
        "max_turns": [12],
    },
    "ChosenTool": {"tool": ["search"]},
    "Route": {"when": [{"tool": "search"}, "{{ user.name == 'Ida' }}"], "agent": ["researcher"]},
    "PythonEntry": {"python": ["app.routing:choose"]},
    "InlineInstructions": {"text": ["You help {{ user.name }} plan their day."]},
    "Handoff": {"agent": ["billing"], "description": ["Hand over for questions about bills."]},
    "Settings": {
        "temperature": [0.2],
        "top_p": [0.9],
        "frequency_penalty": [0.5],
        "presence_penalty": [0.5],
        "max_tokens": [2000],
        "metadata": [{"team": "blue"}],
        "top_logprobs": [3],
        "extra_headers": [{"X-Team": "${TEAM}"}],
        "extra_query": [{"api-version": "2026-01-01"}],
        "extra_body": [{"seed": 7}],
        "extra_args": [{"service_tier": "flex"}],
    },
    "OpenAIModel": {
        "api_key": ["${OPENAI_API_KEY}"],
        "organization": ["org-1234"],
        "project": ["proj_1234"],
        "headers": [{"X-Team": "blue"}],
        "timeout": ["60s"],
        "retries": [2],
    },
    "AnyLLMModel": {"base_url": ["https://llm.example.com/v1"], "api_key": _KEY},
    "LiteLLMModel": {"base_url": ["https://llm.example.com/v1"], "api_key": _KEY},
    "PythonModel": {"python": ["app.models:build"], "with": [{"size": 3}]},
    "_Tool": {
        "description": ["Look up the weather of a city."],
        "progress": ["Asking about the weather in {{ args.city }}"],
    },
    "_PythonTool": {"with": [{"currency": "EUR"}], "timeout": ["10s"]},
    "WidgetTool": {"widget": ["weather", "widgets/weather.widget"]},
    "ClientTool": {"client": ["get_location"], "parameters": [_PLACE]},
    "EffectTool": {"effect": ["show_on_map"], "parameters": [_PLACE]},
    "AgentTool": {"agent": ["researcher"], "max_turns": [5]},
    "_Hosted": {"description": ["Searches our own pages."]},
    "WebSearch": {"allowed_domains": [["example.com"]], "country": ["NO"], "city": ["Oslo"]},
    "FileSearch": {"vector_store_ids": [["vs_1234"]], "max_num_results": [5]},
    "CodeInterpreter": {"file_ids": [["file-1234"]]},
    "ImageGeneration": {"partial_images": [3], "model": ["gpt-image-1"]},
    "_Widget": {
        "data": [_PLACE],
        "copy_text": ["Weather in {{ city }}"],
        "sample": [{"city": "Oslo"}],
        "description": ["The weather of one city."],
    },
    "TemplateWidget": {
        "template": ["widgets/weather.widget", {"type": "Card", "children": [{"type": "Text", "value": "{{ city }}"}]}]
    },
    "TableSection": {"title": ["Numbers"], "rows": _ROWS},
    "MetadataSection": {"title": ["Sources"], "items": _ROWS},
    "ImageSection": {
        "title": ["Trend"],
        "src": ["{{ chart_url }}", "https://example.com/chart.png"],
        "alt": ["The trend of the last week"],
    },
    "TextSection": {"title": ["Summary"], "text": ["**{{ city }}** is sunny."]},
    "SectionsWidget": {"title": ["Weather in {{ city }}"]},
    "PythonWidget": {"python": ["app.cards:build_card"]},
    "_Action": {"payload": [_PLACE]},
    "PythonAction": {"python": ["app.orders:confirm"]},
    "MessageAction": {"message": ["Tell me more about {{ payload.topic }}"]},
    "EffectAction": {"effect": ["show_on_map"], "data": [{"city": "{{ payload.city }}"}]},
    "WidgetAction": {"widget": ["weather"]},
    "StartPrompt": {"label": ["Weather"], "prompt": ["What's the weather in Oslo?"], "icon": ["sparkle"]},
    "History": {"items": [100], "tokens": [30000]},
    "ModelTitle": {"model": ["default"], "instructions": ["Write a title of at most five words."]},
    "PythonTitle": {"python": ["app.titles:write"]},
    "Chat": {
        "greeting": ["How can I help?"],
        "theme": ["dark"],
        "disclaimer": ["Answers may be wrong."],
        "locale": ["nb-NO"],
        "domain_key": ["domain_pk_1234"],
        "frame_title": ["Chat with Trailhead"],
    },
    "ComposerModel": {"model": ["default"], "label": ["Thorough"], "description": ["Slower, and more careful."]},
    "ComposerTool": {
        "id": ["search"],
        "label": ["Search the web"],
        "icon": ["globe"],
        "tool": ["search"],
        "short_label": ["Search"],
        "placeholder": ["What shall I look for?"],
    },
    "Composer": {
        "placeholder": ["Ask about a trail"],
        "models": [["default", {"model": "careful", "label": "Thorough"}]],
        "tools": [[{"id": "search", "label": "Search the web", "icon": "globe", "tool": "search"}]],
    },
    "Header": {"title": ["Trailhead"]},
    "Disclaimer": {"text": ["Answers may be wrong."]},
    "FontSource": {
        "family": ["Inter"],
        "src": ["https://example.com/inter.woff2"],
        "weight": [400],
        "unicode_range": ["U+0000-00FF"],
    },
    "Typography": {"base_size": [16], "font_family": ["Inter, sans-serif"], "font_family_mono": ["monospace"]},
    "Grayscale": {"hue": [220], "tint": [6], "shade": [-1]},
    "Accent": {"primary": ["#0f766e"]},
    "Surface": {"background": ["#ffffff"], "foreground": ["#111111"]},
    "Theme": {"radius": ["round"], "density": ["compact"]},
    "Errors": {
        "model": ["The model is not answering. Please try again. ({{ reference }})"],
        "timeout": ["That took too long. Please try again."],
        "refused": ["This can't be answered."],
        "max_turns": ["That needs too many steps."],
        "unexpected": ["Something went wrong ({{ reference }})."],
    },
    "PythonStore": {"python": ["app.store:Store"], "with": [{"table": "threads"}]},
    "Limits": {"body": ["1MiB"], "message": ["32KiB"]},
    "Server": {"host": ["127.0.0.1", "0.0.0.0"], "port": [8000], "path": ["/chatkit"]},
    "Reload": {"generations": [8]},
}
