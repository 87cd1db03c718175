"""The options of the web component: the `chat` section under the names of the component."""

from __future__ import annotations

from tests.conversations.conftest import MakeChat
from tests.conversations.playing import Player

SURFACE = {
    "greeting": "Hello",
    "start_prompts": [{"label": "Weather", "prompt": "What's the weather?", "icon": "sparkle"}],
    "composer": {
        "placeholder": "Ask away",
        "models": ["default", {"model": "slow", "label": "Thorough", "description": "Takes its time", "default": True}],
        "tools": [
            {
                "id": "find",
                "label": "Search",
                "icon": "globe",
                "tool": "find",
                "short_label": "Find",
                "placeholder": "What?",
                "pinned": True,
                "persistent": True,
            }
        ],
        "commands": True,
    },
    "header": {"title": "Trailhead"},
    "history_panel": {"delete": False},
    "theme": {
        "color_scheme": "dark",
        "radius": "round",
        "density": "compact",
        "typography": {
            "base_size": 16,
            "font_family": "Inter",
            "font_family_mono": "monospace",
            "font_sources": [{"family": "Inter", "src": "https://example.com/inter.woff2", "unicode_range": "U+0-FF"}],
        },
        "color": {
            "grayscale": {"hue": 220, "tint": 6, "shade": -1},
            "accent": {"primary": "#0f766e", "level": 2},
            "surface": {"background": "#fff", "foreground": "#111"},
        },
    },
    "disclaimer": {"text": "May be *wrong*.", "high_contrast": True},
    "locale": "nb-NO",
    "frame_title": "Chat",
    "domain_key": "domain_pk_1",
    "feedback": True,
    "retry": False,
    "auto_scroll": True,
}


async def test_all_options_are_sent_under_the_components_own_names(chat: MakeChat, player: Player) -> None:
    model = {"python": "tests.conversations.playing:find", "with": {"name": player.stage_name}}
    config = {
        "models": {"default": model, "slow": model},
        "tools": {"find": "acts:find"},
        "agents": {"guide": {"tools": ["find"]}},
        "chat": SURFACE,
    }
    client = await chat(config, acts_py='def find(what: str) -> str:\n    """Find."""\n    return what\n')
    assert (await client.get("/chatkit/options.json")).json == {
        "api": {"url": "/chatkit", "domainKey": "domain_pk_1"},
        "startScreen": {
            "greeting": "Hello",
            "prompts": [{"label": "Weather", "prompt": "What's the weather?", "icon": "sparkle"}],
        },
        "composer": {
            "placeholder": "Ask away",
            "models": [
                {"id": "default", "label": "default"},
                {"id": "slow", "label": "Thorough", "description": "Takes its time", "default": True},
            ],
            "tools": [
                {
                    "id": "find",
                    "label": "Search",
                    "icon": "globe",
                    "shortLabel": "Find",
                    "placeholderOverride": "What?",
                    "pinned": True,
                    "persistent": True,
                }
            ],
        },
        "commands": {"enabled": True},
        "header": {"enabled": True, "title": {"enabled": True, "text": "Trailhead"}},
        "history": {"enabled": True, "showDelete": False, "showRename": True},
        "theme": {
            "colorScheme": "dark",
            "radius": "round",
            "density": "compact",
            "typography": {
                "baseSize": 16,
                "fontFamily": "Inter",
                "fontFamilyMono": "monospace",
                "fontSources": [
                    {"family": "Inter", "src": "https://example.com/inter.woff2", "unicodeRange": "U+0-FF"}
                ],
            },
            "color": {
                "grayscale": {"hue": 220, "tint": 6, "shade": -1},
                "accent": {"primary": "#0f766e", "level": 2},
                "surface": {"background": "#fff", "foreground": "#111"},
            },
        },
        "disclaimer": {"text": "May be *wrong*.", "highContrast": True},
        "locale": "nb-NO",
        "frameTitle": "Chat",
        "threadItemActions": {"feedback": True, "retry": False},
        "thread": {"autoScroll": True},
    }


async def test_a_theme_may_be_one_word(chat: MakeChat) -> None:
    client = await chat({"chat": {"theme": "dark"}})
    assert (await client.get("/chatkit/options.json")).json["theme"] == {"colorScheme": "dark"}


async def test_a_start_prompt_may_have_texts_and_mentions(chat: MakeChat) -> None:
    entities = [{"id": "p1", "title": "Parcel 1", "group": "Parcels", "data": {"place": "shed", "weight": 3}}]
    parts = ["Where is ", {"tag": "p1"}, {"text": " and "}, {"tag": "x", "text": "the other", "data": {"n": 1}}]
    prompts = [{"label": "Find", "prompt": [*parts, "?"], "icon": "cube"}]
    client = await chat({"chat": {"tags": {"entities": entities}, "start_prompts": prompts}})
    [prompt] = (await client.get("/chatkit/options.json")).json["startScreen"]["prompts"]
    known = {"group": "Parcels", "data": {"place": "shed"}, "interactive": True}
    assert prompt == {
        "label": "Find",
        "icon": "cube",
        "prompt": [
            {"type": "input_text", "text": "Where is "},
            {"type": "input_tag", "id": "p1", "text": "Parcel 1", **known},
            {"type": "input_text", "text": " and "},
            {"type": "input_tag", "id": "x", "text": "the other", "data": {"n": 1}, "interactive": False},
            {"type": "input_text", "text": "?"},
        ],
    }
    # The component sends these parts back as a user's message.
    sent = await client.call(
        "threads.create", input={"content": prompt["prompt"], "attachments": [], "inference_options": {}}
    )
    assert sent.said == ["Fine."]
    assert "Parcel 1" in str(client.player.asked[0].input)


async def test_options_and_mentions_are_one_users_own(chat: MakeChat) -> None:
    client = await chat({"chat": {"tags": {"entities": [{"id": "zoo", "title": "Zoo"}]}}})
    for path in ("options.json", "entities?q=z", "entities/zoo", "entities/zoo/preview"):
        assert dict((await client.get(f"/chatkit/{path}")).headers)["cache-control"] == "private, no-cache"
