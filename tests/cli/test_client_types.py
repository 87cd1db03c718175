"""What `client types` writes, held against TypeScript's own compiler: what a page lacks or gets wrong is an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.compiling import compile_folder

ROOT = Path(__file__).parents[2]
CONFIG = """
version: 1
models: {default: {scripted: script.yaml}}
agents: {helper: {instructions: Help., tools: [pick_room, where, dim]}}
tools:
  pick_room:
    client: pick-room
    description: "Let the guest pick a room. */ on a floor"
    parameters:
      type: object
      properties:
        floor: {type: integer, description: Counted from the street.}
        view: {enum: [sea, garden]}
      required: [floor]
      additionalProperties: false
  where: {client: where}
  dim:
    effect: dim_lights
    parameters: {type: object, properties: {to: {type: number}}, required: [to], additionalProperties: false}
  dim_all:
    effect: dim_lights
    parameters: {type: object, properties: {everywhere: {const: true}}, required: [everywhere]}
actions:
  room.open: {python: "acts:open", payload: {type: object, properties: {id: {type: string}}, required: [id]}}
  room.more: {message: "More of {{ payload.name }}"}
  theme: {effect: set_theme, data: {dark: "{{ payload.dark }}", by: widget, words: "{{ payload.a }}-"}}
  paint:
    effect: paint
    data: {colour: "{{ payload.colour }}", coats: [1, 2]}
    payload: {type: object, properties: {colour: {enum: [red, blue]}}, required: [colour]}
chat: {tags: {entities: [{id: a, title: A}], text: "{{ title }}"}}
"""
RIGHT = """
import { connect, loadOptions, sendAction, wire, type Handlers } from './chatkit.js';
import type { OpenAIChatKit } from '@openai/chatkit';

export const handlers: Handlers = {
  clientTools: {
    'pick-room': async ({ floor, view }) => {
      const place: 'sea' | 'garden' | undefined = view;
      return { room: floor * 100 + 1, place };
    },
    where: () => ({ city: 'Oslo' }),
  },
  effects: {
    dim_lights: (data) => ('to' in data ? data.to.toFixed() : data.everywhere),
    set_theme: async ({ dark, by, words }) => console.log(dark === true, by === 'widget', words.length),
    paint: ({ colour, coats }) => { const known: 'red' | 'blue' = colour; console.log(known, coats.length); },
  },
  actions: { 'room.open': ({ id }, item) => console.log(id.length, item.id) },
};

export async function start(chat: OpenAIChatKit): Promise<void> {
  const stop = await connect(chat, handlers, { url: '/chatkit', options: { locale: 'nb' } });
  await sendAction(chat, 'room.open', { id: 'r1' }, 'item');
  const { options, onEffect } = wire(await loadOptions({ url: '/chatkit', fetch }), handlers);
  chat.setOptions(options);
  onEffect({ name: 'paint' });
  stop();
}
"""
HALF = "where: () => ({ city: 'Oslo' })"
REST = "effects: { dim_lights: () => 1, set_theme: () => 1, paint: () => 1 }"


def handlers(tools: str, rest: str = REST, more: str = "") -> str:
    return (
        "import { sendAction, type Handlers } from './chatkit.js';\nexport const send = sendAction;\n"
        f"export const handlers: Handlers = {{ clientTools: {{ {tools} }}, {rest} }};\n{more}"
    )


WRONG = {
    "no_tool": (handlers(HALF), "Property ''pick-room'' is missing"),
    "no_effect": (
        handlers(f"'pick-room': () => ({{}}), {HALF}", "effects: { dim_lights: () => 1, paint: () => 1 }"),
        "Property 'set_theme' is missing",
    ),
    "no_effects": (handlers(f"'pick-room': () => ({{}}), {HALF}", ""), "Property 'effects' is missing"),
    "unknown_tool": (handlers(f"'pick-room': () => ({{}}), {HALF}, pikc: () => ({{}})"), "'pikc' does not exist"),
    "argument": (
        handlers(f"'pick-room': (args: {{ floor: string }}) => ({{ args }}), {HALF}"),
        "Type 'number' is not assignable to type 'string'",
    ),
    "no_argument": (handlers(f"'pick-room': ({{ room }}) => ({{ room }}), {HALF}"), "Property 'room' does not exist"),
    "optional": (
        handlers(f"'pick-room': (args: {{ floor: number; view: string }}) => ({{ args }}), {HALF}"),
        "Property 'view' is optional",
    ),
    "result": (handlers(f"'pick-room': () => 'room 101', {HALF}"), "Type 'string' is not assignable"),
    "promised_result": (handlers(f"'pick-room': async () => 101, {HALF}"), "Promise<number>"),
    "no_result": (handlers(f"'pick-room': () => {{}}, {HALF}"), "Type 'void' is not assignable"),
    "effect": (
        handlers(f"'pick-room': () => ({{}}), {HALF}", REST.replace("paint: () =>", "paint: (_: {colour: 1}) =>")),
        "is not assignable to type '1'",
    ),
    "payload": (
        handlers(f"'pick-room': () => ({{}}), {HALF}", more="declare const chat: Parameters<typeof sendAction>[0];\n")
        + "void sendAction(chat, 'room.open', { id: 1 });\n",
        "Type 'number' is not assignable to type 'string'",
    ),
}


@pytest.fixture
def folder(project: Path, cli: Callable[..., Any]) -> Path:
    """A folder with the types of the config above."""
    (project / "agents.yaml").write_text(CONFIG)
    ran = cli("client", "types", "small", "--output", "small/web")
    assert (ran.code, ran.out) == (0, "wrote small/web/chatkit.ts\n"), ran.err
    return project / "web"


def test_a_page_that_has_every_handler_compiles(folder: Path) -> None:
    (folder / "page.ts").write_text(RIGHT)
    assert compile_folder(folder) == []


def test_what_is_missing_or_wrong_in_a_page_is_an_error_of_its_own(folder: Path) -> None:
    for name, (text, _) in WRONG.items():
        (folder / f"{name}.ts").write_text(text)
    found = compile_folder(folder)
    assert sorted({file for file, _, _ in found}) == sorted(f"{name}.ts" for name in WRONG)
    for name, (_, words) in WRONG.items():
        said = [text for file, _, text in found if file == f"{name}.ts"]
        assert len(said) == 1, said
        assert words in said[0]


def test_the_handlers_of_a_page_are_checked_against_the_types_beside_it(folder: Path, cli: Callable[..., Any]) -> None:
    cli("client", "handlers", "small", "--output", str(folder))
    assert compile_folder(folder) == []
    file = folder / "handlers.js"
    file.write_text(file.read_text().replace("set_theme(data)", "set_them(data)"))
    [(name, _, words), *_] = compile_folder(folder)
    assert name == "handlers.js"
    assert "'set_them' does not exist" in words


def test_the_page_in_the_docs_compiles_against_the_sample_project(cli: Callable[..., Any], tmp_path: Path) -> None:
    [page] = re.findall(r"```ts\n(.*?)```", (ROOT / "docs" / "guide" / "browser.md").read_text(), re.DOTALL)
    (tmp_path / "page.ts").write_text(page)
    assert cli("client", "types", str(ROOT), "-o", str(tmp_path)).code == 0
    assert compile_folder(tmp_path) == []


@pytest.mark.parametrize("config", ["version: 1\nagents: {a: {model: x}}\n", (ROOT / "agents.yaml").read_text()])
def test_the_types_of_a_project_compile_whatever_it_declares(
    project: Path, cli: Callable[..., Any], config: str
) -> None:
    (project / "agents.yaml").write_text(config)
    for file in ("prompts/guide.md", "widgets/trail.widget", "widgets/packing.json", "demo/script.yaml"):
        (project / file).parent.mkdir(exist_ok=True)
        (project / file).write_text((ROOT / file).read_text())
    assert cli("client", "types", "small", "-o", "web").code == 0
    assert cli("client", "handlers", "small", "-o", "web").code == 0
    assert compile_folder(project.parent / "web") == []


def test_names_that_look_alike_get_types_of_their_own(project: Path, cli: Callable[..., Any]) -> None:
    (project / "agents.yaml").write_text(
        "version: 1\nmodels: {default: {scripted: script.yaml}}\nagents: {helper: {instructions: Help.}}\n"
        "tools: {a: {client: get_room}, b: {client: get-room}, c: {client: 3d},\n"
        "  d: {effect: ☃}, e: {effect: 'it''s </script>'}}\n"
        "actions: {handlers: {message: Hi}, '__proto__': {message: Hi}}\n"
    )
    ran = cli("client", "types", "small", "-o", "web")
    assert ran.code == 0, ran.err
    text = (project.parent / "web" / "chatkit.ts").read_text()
    for name in ("GetRoomArguments", "GetRoomArguments2", "_3dArguments", "EffectData", "HandlersPayload"):
        assert f"export type {name} =" in text
    assert cli("client", "handlers", "small", "-o", "web").code == 0
    assert compile_folder(project.parent / "web") == []
