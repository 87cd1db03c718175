"""A project folder -> LoadedProject."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.config.load import LoadedProject, load_config

SMALL = "version: 1\nagents:\n  a: {model: m1}\n"


def write(folder: Path, text: str = SMALL, **files: str) -> Path:
    (folder / "agents.yaml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def codes(loaded: LoadedProject) -> list[str]:
    return [diagnostic.code for diagnostic in loaded.diagnostics]


def test_a_folder_and_its_file_are_the_same_project(tmp_path: Path) -> None:
    write(tmp_path)
    by_folder, by_file = load_config(tmp_path, environ={}), load_config(tmp_path / "agents.yaml", environ={})
    assert by_folder == by_file
    assert by_folder.root == tmp_path
    assert by_folder.file == tmp_path / "agents.yaml"
    assert by_folder.config is not None
    assert by_folder.sources == {"agents.yaml": SMALL}


def test_what_was_loaded_shows_no_environment(tmp_path: Path) -> None:
    assert "hunter2" not in repr(load_config(write(tmp_path), environ={"KEY": "hunter2"}))


def test_a_missing_file_says_the_way_out(tmp_path: Path) -> None:
    loaded = load_config(tmp_path, environ={})
    assert loaded.config is None
    assert codes(loaded) == ["A001"]
    assert "chatkit-runtime init" in loaded.diagnostics[0].hint
    assert codes(load_config(tmp_path / "nowhere" / "my.yaml", environ={})) == ["A001"]


def test_a_file_that_can_not_be_read_is_a_diagnostic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert [str(d) for d in load_config(tmp_path, environ={}).diagnostics] == [
        "agents.yaml: error A002: can't read 'agents.yaml': Permission denied"
    ]


def test_the_environment_file_is_under_the_environment(tmp_path: Path) -> None:
    text = "version: 1\nagents:\n  a: {model: '${MODEL}', name: '${LABEL}'}\n"
    write(tmp_path, text, **{".env": "MODEL=from-file\nLABEL='from $file'\n# note\nEMPTY\n"})
    loaded = load_config(tmp_path, environ={"MODEL": "from-process"})
    assert loaded.config is not None
    assert loaded.config.agents["a"].model == "from-process"
    assert loaded.config.agents["a"].name == "from $file"


def test_the_environment_file_is_not_exported_and_not_a_source(tmp_path: Path) -> None:
    write(tmp_path, **{".env": "CHATKIT_TEST_ONLY=secret\n"})
    loaded = load_config(tmp_path)
    assert "CHATKIT_TEST_ONLY" not in os.environ
    assert ".env" not in loaded.sources


def test_a_bad_line_of_the_environment_file_is_a_warning_that_does_not_quote_it(tmp_path: Path) -> None:
    write(tmp_path, **{".env": "A=1\n=hunter2\n'B=hunter2\n"})
    loaded = load_config(tmp_path, environ={})
    assert loaded.config is not None
    assert codes(loaded)[0] == "A502"
    assert str(loaded.diagnostics[0].place) == ".env:2:1"
    assert "hunter2" not in "".join(map(str, loaded.diagnostics))


def test_an_environment_file_of_other_bytes_is_an_error(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    assert codes(load_config(tmp_path, environ={})) == ["A003"]


def test_an_unset_variable_is_a_warning_or_an_error_as_asked(tmp_path: Path) -> None:
    write(tmp_path, "version: 1\nagents:\n  a: {model: m1, max_turns: '${TURNS}'}\nserver: {path: '${WHERE}'}\n")
    assert load_config(tmp_path, environ={}).config is not None
    strict = load_config(tmp_path, environ={}, unset="error")
    assert strict.config is None
    assert codes(strict) == ["A501", "A501"]


@pytest.mark.parametrize("name", ["agents.yaml", "prompt.md", ".env"])
def test_the_hash_follows_every_file_that_was_read(tmp_path: Path, name: str) -> None:
    text = "version: 1\nagents:\n  a: {model: m1, instructions: {file: prompt.md}}\n"
    write(tmp_path, text, **{"prompt.md": "Hello", ".env": "A=1", "other.md": "x"})
    before = load_config(tmp_path, environ={}).hash
    (tmp_path / "other.md").write_text("y", encoding="utf-8")
    assert load_config(tmp_path, environ={}).hash == before
    (tmp_path / name).write_text((tmp_path / name).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert load_config(tmp_path, environ={}).hash != before


def test_prompt_files_are_sources_for_code_frames(tmp_path: Path) -> None:
    write(
        tmp_path,
        "version: 1\nagents:\n  a: {model: m1, instructions: {file: prompt.md}}\n",
        **{"prompt.md": "Hi {{ usr }}"},
    )
    loaded = load_config(tmp_path, environ={})
    assert str(loaded.diagnostics[0].place) == "prompt.md:1:7"
    assert loaded.sources["prompt.md"] == "Hi {{ usr }}"


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.md").write_text("x", encoding="utf-8")
    (project / "prompt.md").symlink_to(tmp_path / "secret.md")
    write(project, "version: 1\nagents:\n  a: {model: m1, instructions: {file: prompt.md}}\n")
    assert codes(load_config(project, environ={})) == ["A231"]


def test_a_linked_project_folder_is_its_own_root(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    write(real, "version: 1\nagents:\n  a: {model: m1, instructions: {file: prompt.md}}\n", **{"prompt.md": "x"})
    (tmp_path / "link").symlink_to(real)
    assert load_config(tmp_path / "link", environ={}).diagnostics == ()


def test_all_mistakes_of_a_phase_are_reported_sorted_in_one_pass(tmp_path: Path) -> None:
    write(tmp_path, "version: 1\nagnets: {}\nagents:\n  a: {modle: '${UNSET}', tools: x}\n")
    lines = [(d.place.line, d.place.column, d.code) for d in load_config(tmp_path, environ={}).diagnostics]
    assert lines == sorted(lines)
    assert {code for _, _, code in lines} == {"A101", "A102", "A501"}


def test_loading_imports_neither_sdk_nor_server_nor_what_a_good_file_does_not_need(tmp_path: Path) -> None:
    write(tmp_path)
    program = (
        "import sys, pathlib; from runtime.config.load import load_config\n"
        f"loaded = load_config(pathlib.Path({str(tmp_path)!r}), environ={{}})\n"
        "assert loaded.config, loaded.diagnostics\n"
        "heavy = {'agents', 'chatkit', 'openai', 'fastapi', 'starlette', 'uvicorn', 'sqlalchemy'}\n"
        "late = {'jinja2', 'jsonschema', 'ruamel.yaml', 'dotenv'}\n"
        "print(sorted((heavy | late) & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=os.getcwd())
    assert (done.stdout, done.stderr) == ("[]\n", "")
