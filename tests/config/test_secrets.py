"""Secrets are detected, and no output contains them: messages, code frames, JSON, and the output of `show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.cli.report.frames import draw_frame
from runtime.config.load import LoadedProject, load_config
from runtime.config.model import Config
from runtime.config.secrets.detect import find_secret_patterns, find_secrets, is_placeholder
from runtime.config.secrets.mask import mask, mask_source, redact
from runtime.config.shape_errors import build_config
from runtime.documents.document import read_yaml
from runtime.documents.variables import interpolate
from runtime.validation.project import check_project

SECRET = "hunter2-Zebra"
HEAD = "version: 1\nagents: {a: {model: m}}\n"


def load(folder: Path, text: str, **environ: str) -> LoadedProject:
    (folder / "agents.yaml").write_text(text, encoding="utf-8")
    return load_config(folder, environ=environ)


def outputs(loaded: LoadedProject) -> str:
    """Everything that is printed of a project: frames, lines, JSON, and the config if there is one."""
    diagnostics = check_project(loaded)
    frames = [draw_frame(diagnostic, loaded.sources.get(diagnostic.place.file)) for diagnostic in diagnostics]
    # Any line of a file may stand in a frame of some other mistake.
    shown = [*frames, *map(str, diagnostics), json.dumps([diagnostic.as_json() for diagnostic in diagnostics])]
    shown += loaded.sources.values()
    if loaded.config is not None:
        shown.append(json.dumps(redact(loaded.config, loaded.secrets)))
    return "\n".join(shown)


PLACES = {
    "a key of a model": f"models: {{m: {{name: x, api_key: {SECRET}}}}}",
    "in quotes": f"models:\n  m: {{name: x, api_key: '{SECRET}'}}",
    "with escapes": 'models:\n  m: {name: x, api_key: "hunter2\\x2dZebra"}',
    "over several lines": f"models:\n  m:\n    name: x\n    api_key: >-\n      {SECRET}\n      {SECRET}",
    "a header": f"models: {{m: {{name: x, headers: {{X-Any: {SECRET}}}}}}}",
    "a bearer token": f"models: {{m: {{name: x, headers: {{Authorization: Bearer {SECRET}}}}}}}",
    "a header of a call": f"models: {{m: {{name: x, settings: {{extra_headers: {{X-Any: {SECRET}}}}}}}}}",
    "the admin's token": f"admin: {{token: {SECRET}}}",
    "a token without its key": f"admin: {SECRET}",
    "a store's password": f"store: postgresql://me:{SECRET}@db/x",
    "a password with a slash": f"store: postgresql://me:a/b#{SECRET}@db/x",
    "a malformed store": f"store: postgrs:/me:{SECRET}@db/x",
    "a password in the query": f"store: postgresql://db/x?sslpassword={SECRET}",
    "a password in a malformed address": f"models: {{m: {{name: x, base_url: 'htp:/me:{SECRET}@host/v1'}}}}",
    "a password in what is no address": f"models: {{m: {{name: x, base_url: 'me:{SECRET}@host'}}}}",
    "a password in a long address": f"models: {{m: {{name: x, base_url: 'ftp://someone.with.a.long.name:{SECRET}@h'}}}}",
    "a list where a text should be": f"models: {{m: {{name: x, api_key: [{SECRET}]}}}}",
    "a mapping where a text should be": f"models: {{m: {{name: x, api_key: {{value: {SECRET}}}}}}}",
    "a text where headers should be": f"models: {{m: {{name: x, headers: {SECRET}}}}}",
    "a misspelt key": f"models: {{m: {{name: x, api_kye: {SECRET}}}}}",
    "an unknown key": f"models: {{m: {{name: x, client_secret: {SECRET}}}}}",
    "a section of a later version": f"auth: {{bearer: {{alice: {SECRET}}}}}",
    "an argument of a tool": f"tools: {{t: {{python: 'a:b', with: {{api_key: {SECRET}}}}}}}",
    "a field of a call's body": f"models: {{m: {{name: x, settings: {{extra_body: {{password: {SECRET}}}}}}}}}",
    "an anchor": f"x-key: &key {SECRET}\nmodels: {{m: {{name: x, api_key: *key}}}}",
    "a merge": f"x-all: &all {{api_key: {SECRET}}}\nmodels: {{m: {{<<: *all, name: x}}}}",
    "a default": f"models: {{m: {{name: x, api_key: '${{NO_SUCH:-{SECRET}}}'}}}}",
    "what is no variable": f"models: {{m: {{name: x, api_key: '${{{SECRET}}}'}}}}",
    "beside a variable": f"models: {{m: {{name: x, api_key: '{SECRET}-${{NO_SUCH}}'}}}}",
    "repeated in a text": f"models: {{m: {{name: x, api_key: {SECRET}}}}}\nchat: {{greeting: 'say {SECRET}'}}",
    "a short form's wrong name": f"models: {{m: {{name: x, api_key: {SECRET}}}}}\nentry: {SECRET}",
}
AROUND = {
    "nothing else": "",
    "an unknown key": "nonsense: 1\n",
    "a wrong type": "chat: []\n",
    "a template that can't be read": "tools: {p: {python: 'a:b', progress: '{{ x'}}\n",
    "another value twice": "version: 1\n",
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("place", PLACES)
def test_no_output_has_a_secret(tmp_path: Path, place: str, around: str) -> None:
    text = HEAD + PLACES[place] + "\n" + (AROUND[around] if AROUND[around].split(":")[0] not in PLACES[place] else "")
    shown = outputs(load(tmp_path, text))
    assert SECRET not in shown
    assert "Zebra" not in shown


SYNTAX = {
    "a tab": "\n\t",
    "an open bracket": "\nx-a: [",
    "an open quote": "\nx-a: '",
    "an unknown anchor": "\nx-a: *no",
    "a key twice": "\nadmin: {token: hunter2-Zebra}\nadmin: {token: hunter2-Zebra}",
    "a value after a value": " oops: : oops",
    "a second document": "\n--- \nversion: 1",
    "a control character": " \x01",
}


# What has no key of its own, and what is written with escapes, is known only once it is parsed.
PARSED = ("an anchor", "with escapes", "a short form's wrong name", "repeated in a text")
UNPARSED = [(place, mistake) for place in PLACES for mistake in SYNTAX if place not in PARSED]
# This one is a text of two lines.
UNPARSED.remove(("over several lines", "a value after a value"))


@pytest.mark.parametrize(("place", "mistake"), UNPARSED)
def test_no_output_of_a_file_that_is_no_yaml_has_a_secret(tmp_path: Path, place: str, mistake: str) -> None:
    shown = outputs(load(tmp_path, HEAD + PLACES[place] + SYNTAX[mistake] + "\n"))
    assert "error A0" in shown
    assert "Zebra" not in shown


@pytest.mark.parametrize("value", ["*hunter2Zebra", "&hunter2Zebra", "!hunter2Zebra", "@hunter2Zebra", "%hunter2Zebra"])
def test_a_password_that_is_a_word_of_yaml_is_not_repeated(tmp_path: Path, value: str) -> None:
    shown = outputs(load(tmp_path, f"{HEAD}models:\n  m:\n    name: x\n    api_key: {value}\n"))
    assert "agents.yaml:6" in shown
    assert "Zebra" not in shown


@pytest.mark.parametrize(
    "field",
    [
        "models: {m: {name: x, api_key: '${KEY}'}}",
        "models: {m: {name: x, headers: {Authorization: 'Bearer ${KEY}'}}}",
        "models: {m: {name: x, base_url: 'ftp://me:${KEY}@host'}}",
        "store: postgresql://me:${KEY}@db/x",
        "store: '${URL}'",
        "admin: {token: '${KEY}'}\nchat: {when_busy: '${KEY}'}",
        "admin: {token: '${KEY}'}\nentry: '${KEY}'",
    ],
)
def test_what_a_variable_puts_into_a_secret_is_secret_everywhere(tmp_path: Path, field: str) -> None:
    (tmp_path / ".env").write_text(f"KEY={SECRET}\n", encoding="utf-8")
    loaded = load(tmp_path, f"{HEAD}{field}\n", URL=f"postgresql://me:{SECRET}@db/x")
    assert SECRET in loaded.secrets or "base_url" in field
    assert SECRET not in outputs(loaded)


def test_a_secret_is_masked_in_every_file_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text(f"The key is {SECRET} {{{{ nobody }}}}\n", encoding="utf-8")
    text = f"version: 1\nadmin: {{token: {SECRET}}}\nagents: {{a: {{model: m, instructions: {{file: p.md}}}}}}\n"
    loaded = load(tmp_path, text)
    frame = next(draw_frame(d, loaded.sources[d.place.file]) for d in loaded.diagnostics if d.place.file == "p.md")
    assert "The key is ************* {{ nobody }}" in frame
    assert SECRET not in outputs(loaded)


def test_a_masked_line_keeps_its_columns(tmp_path: Path) -> None:
    loaded = load(tmp_path, f"{HEAD}models: {{m: {{api_key: {SECRET}, nmae: x}}}}\n")
    line = loaded.sources["agents.yaml"].splitlines()[2]
    diagnostic = next(d for d in loaded.diagnostics if d.place.line == 3)
    assert line[diagnostic.place.column - 1 :].startswith("nmae")
    assert line == "models: {m: {api_key: *************, nmae: x}}"


def test_variables_and_placeholders_stay_readable(tmp_path: Path) -> None:
    text = (
        HEAD + "models: {m: {name: x, api_key: '${KEY}'}, n: {name: x, api_key: none}, o: {name: x, api_key: ollama}}\n"
    )
    loaded = load(tmp_path, text, KEY=SECRET)
    assert loaded.sources["agents.yaml"] == text


def test_a_tools_schema_and_names_are_no_secrets(tmp_path: Path) -> None:
    text = """version: 1
agents: {token: {model: m, tools: [get_token, log_in]}}
tools:
  get_token: app:get
  log_in:
    client: log_in
    parameters: {type: object, properties: {password: {type: string, description: The user's password}}}
actions: {reset.password: {message: hello}}
state: {secret: app:Box}
"""
    loaded = load(tmp_path, text)
    assert loaded.secrets == frozenset()
    assert loaded.sources["agents.yaml"] == text
    assert "***" not in json.dumps(redact(loaded.recovered.config or Config.model_validate({}), loaded.secrets))


def test_variables_that_are_secret_by_their_names_are_masked_in_messages() -> None:
    filled = interpolate(read_yaml(HEAD, "a.yaml"), {})
    secrets = find_secrets(
        filled, {"MY_API_KEY": SECRET, "HOME": "/home/ada-lovelace", "TOKEN_FILE": "/run/secrets/x"}, []
    )
    assert secrets == {SECRET}
    assert mask(f"refused: {SECRET}", secrets) == "refused: ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'hunter2-Zebra' is wrong", "'***' is wrong"),
        ("'http://x:hunter2…", "'http://x:***…"),
        ("hunter2", "hunter2"),
        ("", ""),
    ],
)
def test_a_message_is_masked(text: str, shown: str) -> None:
    assert mask(text, frozenset({SECRET})) == shown


def test_a_short_secret_is_masked_only_as_a_word() -> None:
    assert mask("port 'ports' port", frozenset({"port"})) == "*** 'ports' ***"
    assert mask_source("ab: port\n", frozenset({"port"})) == "ab: ****\n"


TOKENS = [
    "sk-proj-" + "a1B2c3D4e5" * 4,
    "sk-ant-api03-" + "a1B2c3D4e5" * 4,
    "sk-" + "a1B2c3D4e5" * 3,
    "ghp_" + "a1B2c3D4e5" * 4,
    "github_pat_" + "a1B2c3D4e5" * 4,
    "glpat-" + "a1B2c3D4e5" * 2,
    "xoxb-1234567890-abcdef",
    "AKIA" + "ABCDEFGH12345678",
    "AIza" + "a1B2c3D4e5" * 3 + "fghij",
    "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK",
    "hf_" + "a1B2c3D4e5" * 4,
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:6])
def test_well_known_tokens_are_found_wherever_they_stand(token: str) -> None:
    assert [(t.start, t.end) for t in find_secret_patterns(f"key={token} x")] == [(4, 4 + len(token))]
    assert mask(f"see {token} here") == "see *** here"
    assert len(mask_source(token, frozenset())) == len(token)


@pytest.mark.parametrize(
    "text",
    [
        "ask-me-anything-about-weather-2024",
        "sk-learn and task-list",
        "gpt-6-luna",
        "tools.weather:get_weather",
        "Bearer ${TOKEN}",
        "a bearer token",
        "AKIA",
        "eyJ.x.y",
        "http://localhost:3000/@scope/name",
        "see http://host:8080/x@y",
        "write to ada@example.com: thanks",
    ],
)
def test_other_words_are_left_alone(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    "word", ["none", "dummy", "x", "test", "ollama", "your-api-key", "sk-no-key-required", "<key>"]
)
def test_what_stands_in_the_place_of_a_secret_is_none(word: str) -> None:
    assert is_placeholder(word)


@pytest.mark.parametrize("word", [SECRET, "s3cret", "correct horse", "notakey99", "0451"])
def test_a_word_of_ones_own_is_no_placeholder(word: str) -> None:
    assert not is_placeholder(word)


def config(text: str, environ: dict[str, str]) -> Config:
    built, mistakes, _ = build_config(interpolate(read_yaml(HEAD + text, "a.yaml"), environ))
    assert mistakes == []
    assert built is not None
    return built


def test_no_secret_survives_redaction() -> None:
    built = config(
        f"""models:
  m:
    name: x
    api_key: {SECRET}
    headers: {{X-Key: {SECRET}}}
    base_url: "https://me:{SECRET}@host/v1?api-key={SECRET}&x=1"
    settings: {{extra_headers: {{A: {SECRET}}}, extra_body: {{deep: [{{password: {SECRET}}}]}}}}
  n: {{python: a:b, with: {{client_secret: {SECRET}, url: "redis://:{SECRET}@h/0"}}}}
  o: {{any_llm: x/y, api_key: {SECRET}}}
tools: {{t: {{python: a:b, with: {{api_key: {SECRET}, tokens: {{token: {SECRET}}}}}}}}}
store: postgresql://me:{SECRET}@db/x?sslpassword={SECRET}
""",
        {},
    )
    shown = repr(redact(built))
    assert SECRET not in shown
    assert "postgresql://me:***@db/x" in shown
    assert "https://me:***@host/v1?api-key=***&x=1" in shown


def test_redaction_hides_nothing_else() -> None:
    shown = redact(config("store: memory\nchat: {title: off}\nmodels: {m: {name: x, api_key: ''}}\n", {}))
    assert shown["store"]["url"] == "memory"
    assert shown["models"]["m"]["name"] == "x"
    assert shown["models"]["m"]["api_key"] == ""
    assert shown["version"] == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@ss@h/db", "postgresql://u:***@h/db"),
        ("see http://a:b@c and http://d:e@f", "see http://a:***@c and http://d:***@f"),
        ("http://host:8080/x@y", "http://host:8080/x@y"),
        ("nothing here", "nothing here"),
        ("https://x?access_token=abc#f", "https://x?access_token=***#f"),
    ],
)
def test_passwords_in_addresses_are_masked(text: str, shown: str) -> None:
    assert mask(text) == shown
