"""Several files and a profile become one configuration, and every value keeps the place where it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.config.load import find_origins, load_config
from runtime.config.project_files import ProjectFiles
from runtime.config.schema import included_schema, profile_schema

MAIN = """
version: 1
include: [agents/*.yaml]
entry: a
agents:
  a: {model: m1, instructions: Hello}
store: memory
"""


def write(root: Path, **files: str) -> Path:
    for name, text in {"agents.yaml": MAIN, **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def load(root: Path, profile: str | None = None, **environ: str) -> Any:
    loaded = load_config(root, environ={**environ, **({"CHATKIT_PROFILE": profile} if profile else {})})
    assert loaded.config is not None, [str(each) for each in loaded.diagnostics]
    return loaded


def test_sections_of_included_files_are_added_after_those_of_the_file(tmp_path: Path) -> None:
    parts = {
        "agents/b.yaml": (
            "x-note: 1\nversion: 1\nagents: {b: {model: m2}}\nmodels: {m2: gpt-6-luna}\nlimits: {body: 1KiB}"
        ),
        "agents/a.yaml": "x-note: 2\nagents: {c: {model: m1}}",
        "agents/.draft.yaml": "nonsense",
    }
    loaded = load(write(tmp_path, **parts))
    assert list(loaded.config.agents) == ["a", "c", "b"]
    assert loaded.config.limits.body == 1024
    assert str(loaded.places.key(("agents", "b"))) == "agents/b.yaml:3:10"
    assert str(loaded.places.value(("agents", "a", "model"))) == "agents.yaml:6:14"
    assert {"agents.yaml", "agents/a.yaml", "agents/b.yaml"} <= loaded.files.contents.keys()


def test_a_file_that_several_patterns_fit_is_included_once_and_never_the_file_itself(tmp_path: Path) -> None:
    main = MAIN.replace("[agents/*.yaml]", '["*.yaml", "**/b.yaml", agents/b.yaml, "${TEAM}.yaml"]')
    loaded = load(
        write(tmp_path, **{"agents.yaml": main, "agents/b.yaml": "agents: {b: {model: m1}}"}), TEAM="agents/b"
    )
    assert list(loaded.config.agents) == ["a", "b"]


def test_an_anchor_keeps_its_own_when_something_is_added_to_its_like(tmp_path: Path) -> None:
    main = "version: 1\nagents: {a: &a {model: m1, settings: {top_p: 0.5}}, b: *a}\nentry: a\n"
    main += "profiles: {p: {agents: {a: {settings: {temperature: 0}}}}}\n"
    agents = load(write(tmp_path, **{"agents.yaml": main}), "p").config.agents
    assert (agents["a"].settings.temperature, agents["b"].settings.temperature) == (0, None)


# The cases of RFC 7396, Appendix A, that are about mappings.
@pytest.mark.parametrize(
    ("data", "patch", "result"),
    [
        ("{a: b}", "{a: c}", {"a": "c"}),
        ("{a: b}", "{b: c}", {"a": "b", "b": "c"}),
        ("{a: b}", "{a: null}", {}),
        ("{a: b, b: c}", "{a: null}", {"b": "c"}),
        ("{a: [b]}", "{a: c}", {"a": "c"}),
        ("{a: c}", "{a: [b]}", {"a": ["b"]}),
        ("{a: {b: c}}", "{a: {b: d, c: null}}", {"a": {"b": "d"}}),
        ("{a: [{b: c}]}", "{a: [1]}", {"a": [1]}),
        ("{e: 1}", "{a: 1}", {"e": 1, "a": 1}),
        ("{}", "{a: {bb: {ccc: null}}}", {"a": {"bb": {}}}),
    ],
)
def test_a_profile_is_a_json_merge_patch(tmp_path: Path, data: str, patch: str, result: Any) -> None:
    main = f"version: 1\nagents: {{a: {{model: m}}}}\nmodels: {{m: {{name: g, settings: {{extra_body: {data}}}}}}}\n"
    main += f"profiles: {{p: {{models: {{m: {{settings: {{extra_body: {patch}}}}}}}}}}}\n"
    loaded = load(write(tmp_path, **{"agents.yaml": main}), "p")
    assert loaded.config.models["m"].settings.extra_body == result


def test_a_profile_may_change_what_another_file_declares(tmp_path: Path) -> None:
    main = MAIN + "profiles: {p: {agents: {b: {model: m9}, a: {model: m8}}}}\n"
    loaded = load(write(tmp_path, **{"agents.yaml": main, "agents/b.yaml": "agents: {b: {model: m1, name: B}}"}), "p")
    assert (loaded.config.agents["b"].model, loaded.config.agents["b"].name) == ("m9", "B")
    places = [str(loaded.places.value(("agents", "b", key))) for key in ("model", "name")]
    assert places == ["agents.yaml:8:36", "agents/b.yaml:1:31"]


def test_the_variable_may_stand_in_the_file_of_variables(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, **{"agents.yaml": f"{MAIN}profiles: {{p: {{}}}}\n", ".env": "CHATKIT_PROFILE=p\n"}))
    assert loaded.profile == "p"


def test_a_profile_nobody_asked_for_waits_for_no_variable_and_shows_no_secret(tmp_path: Path) -> None:
    main = MAIN + 'profiles: {p: {models: {m: {name: g, api_key: "${UNSET}"}}, admin: {token: hunter2-hunter2}}}\n'
    loaded = load(write(tmp_path, **{"agents.yaml": main}))
    assert [each.code for each in loaded.diagnostics] == ["A233"]
    assert "hunter2" not in loaded.sources["agents.yaml"]
    assert "hunter2-hunter2" in loaded.secrets


def test_the_secrets_of_an_included_file_are_covered(tmp_path: Path) -> None:
    part = 'models:\n  m: {name: g, api_key: "hunter2-hunter2"}\n'
    loaded = load(write(tmp_path, **{"agents/m.yaml": part}))
    assert loaded.sources["agents/m.yaml"] == part.replace("hunter2-hunter2", "*" * 15)
    broken = load_config(write(tmp_path, **{"agents/m.yaml": part + "x: [\n"}), environ={})
    assert broken.config is None
    assert "hunter2" not in broken.sources["agents/m.yaml"]


def test_the_files_that_fit_are_part_of_what_holds_still(tmp_path: Path) -> None:
    files = ProjectFiles(write(tmp_path, **{"agents/b.yaml": "agents: {b: {model: m1}}"}))
    load_config(tmp_path, environ={}, files=files)
    assert files.reread()
    (tmp_path / "agents" / "c.yaml").write_text("agents: {c: {model: m1}}")
    assert not files.reread()
    # From what was read alone, the disk left aside: the project as it was.
    again = load_config(tmp_path, environ={}, files=files.sealed())
    assert again.config is not None
    assert list(again.config.agents) == ["a", "b"]


@pytest.mark.parametrize("pattern", ["*.yaml", "agents/*.yaml", "**/*.yaml", "agents/**/x.yaml", "*/[ab].yaml", "a*"])
def test_given_files_match_a_pattern_as_files_on_the_disk_do(tmp_path: Path, pattern: str) -> None:
    names = (
        "node_modules/x/x.yaml",
        "agents.yaml",
        "agents/a.yaml",
        "agents/x.yaml",
        "agents/t/u/x.yaml",
        "agents/.b.yaml",
        ".h/a.yaml",
        "b/a.md",
    )
    write(tmp_path, **dict.fromkeys(names, "1"))
    names_on_disk = ProjectFiles(tmp_path).find(pattern)
    assert not any(name.startswith("node_modules") for name in names_on_disk)
    assert ProjectFiles(tmp_path, dict.fromkeys(names, b"1")).find(pattern) == names_on_disk


def test_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    main = MAIN + "defaults: {max_turns: 3}\nserver: {port: '${PORT}'}\nprofiles: {p: {agents: {a: {model: m2}}}}\n"
    origins = {each.path: each for each in find_origins(load(write(tmp_path, **{"agents.yaml": main}), "p", PORT="81"))}
    model, turns, port, text, host = (
        origins[path]
        for path in ("agents.a.model", "agents.a.max_turns", "server.port", "agents.a.instructions.text", "server.host")
    )
    assert (model.value, model.profile, str(model.place)) == ("m2", "p", "agents.yaml:10:36")
    assert (turns.value, turns.profile, str(turns.place)) == (3, None, "agents.yaml:8:23")
    assert (port.value, port.variables, str(port.place)) == (81, ("PORT",), "agents.yaml:9:16")
    assert (text.value, str(text.place)) == ("Hello", "agents.yaml:6:32")
    assert (host.value, host.place) == ("127.0.0.1", None)
    assert not any(path.startswith(("profiles", "include")) for path in origins)


def test_parts_have_schemas_of_their_own() -> None:
    from jsonschema import Draft202012Validator

    included, profile = Draft202012Validator(included_schema()), Draft202012Validator(profile_schema())
    for schema in (included, profile):
        Draft202012Validator.check_schema(schema.schema)
        assert schema.is_valid({"models": {"m": "gpt-6-luna"}, "x-free": 1})
        assert not schema.is_valid({"modells": {}})
        assert not schema.is_valid({"include": []})
        assert not schema.is_valid({"agents": {"a": {"modell": "m"}}})
    partial = {"agents": {"a": {"instructions": None}, "b": None}, "models": {"m": {"timeout": "5s"}}, "tools": None}
    assert profile.is_valid(partial)
    assert not included.is_valid(partial)
