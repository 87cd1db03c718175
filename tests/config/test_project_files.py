"""What ProjectFiles reads, what it remembers, and which files it distinguishes."""

import os
from pathlib import Path

import pytest

from runtime.config.load import LoadedProject, load_config
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.diagnostic import Diagnostic

CONFIG = """\
version: 1
models:
  demo: {scripted: script.yaml}
  real: {name: m1, offline: offline.yaml}
widgets: {card: cards/card.json}
entry: a
agents:
  a: {model: demo, instructions: {file: prompts/a.md}, handoffs: [b]}
  b: {model: real, instructions: {file: ./prompts//a.md}}
"""
FILES = {
    "agents.yaml": CONFIG,
    "script.yaml": "otherwise: yes\n",
    "offline.yaml": "otherwise: no\n",
    "cards/card.json": '{"type": "Card", "children": []}',
    "prompts/a.md": "Help.",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def load(project: Path, files: ProjectFiles | None = None) -> LoadedProject:
    return load_config(project, environ={"OPENAI_API_KEY": "key"}, files=files)


def code(result: str | bytes | Diagnostic) -> str:
    assert isinstance(result, Diagnostic)
    return result.code


def test_loading_reads_every_file_that_is_built_from_and_knows_what_it_looked_for(project: Path) -> None:
    loaded = load(project)
    assert loaded.diagnostics == ()
    assert loaded.files.contents == {name: text.encode() for name, text in FILES.items()}
    assert loaded.files.missing == {".env"}
    assert loaded.hash == loaded.files.hash()


def test_one_file_under_two_spellings_is_read_once(project: Path) -> None:
    files = ProjectFiles(project)
    assert files.read("prompts/a.md") == "Help."
    (project / "prompts" / "a.md").write_text("Other.", encoding="utf-8")
    assert files.read("./prompts//a.md") == "Help."
    assert list(files.contents) == ["prompts/a.md"]


@pytest.mark.parametrize("name", [*FILES, ".env"])
def test_a_file_that_changes_comes_or_goes_is_seen_by_reading_again(project: Path, name: str) -> None:
    file = project / name
    files = load(project).files
    assert files.reread()
    file.write_bytes(b"other bytes")
    assert not files.reread()
    if name in FILES:
        file.unlink()
        assert not files.reread()
        file.write_text(FILES[name], encoding="utf-8")
        assert files.reread()


def test_a_project_without_its_file_waits_for_it(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert [diagnostic.code for diagnostic in loaded.diagnostics] == ["A001"]
    assert loaded.files.missing == {"agents.yaml"}
    assert loaded.files.reread()
    (tmp_path / "agents.yaml").write_text(CONFIG, encoding="utf-8")
    assert not loaded.files.reread()


def test_a_named_file_that_is_missing_is_waited_for(project: Path) -> None:
    (project / "script.yaml").unlink()
    loaded = load(project)
    assert [str(diagnostic) for diagnostic in loaded.diagnostics] == [
        "agents.yaml:3:20: error A230: the file 'script.yaml' does not exist [models.demo.scripted]"
    ]
    assert loaded.files.missing == {".env", "script.yaml"}


def test_a_broken_link_is_a_missing_file_and_one_that_leads_out_is_waited_for(project: Path, tmp_path: Path) -> None:
    (tmp_path / "out.md").write_text("x", encoding="utf-8")
    (project / "out.md").symlink_to(tmp_path / "out.md")
    (project / "broken.md").symlink_to("nothing.md")
    (project / "loop.md").symlink_to("loop.md")
    files = ProjectFiles(project)
    assert [code(files.read(name)) for name in ("out.md", "broken.md", "loop.md")] == ["A231", "A230", "A230"]
    assert files.missing == {"out.md", "broken.md", "loop.md"}
    (project / "out.md").unlink()
    (project / "out.md").write_text("x", encoding="utf-8")
    assert not files.reread()


@pytest.mark.parametrize("name", ["../other.md", "a/../../other.md", "/etc/hostname", "a\0b"])
@pytest.mark.parametrize("given", [None, {"../other.md ": b"x"}])
def test_a_name_that_leads_out_of_the_folder_is_refused_and_not_waited_for(
    project: Path, name: str, given: dict[str, bytes] | None
) -> None:
    files = ProjectFiles(project, given)
    assert code(files.read(name)) == "A231"
    assert files.missing == set()


def test_two_dots_begin_a_name_that_stays_inside(project: Path) -> None:
    (project / "..data").mkdir()
    (project / "..data" / "a.md").write_text("x", encoding="utf-8")
    assert ProjectFiles(project).read("..data/a.md") == "x"


def test_a_pipe_is_no_file_and_nobody_waits_for_its_writer(project: Path) -> None:
    os.mkfifo(project / "pipe.md")
    assert code(ProjectFiles(project).read("pipe.md")) == "A230"


def test_a_file_that_vanishes_while_it_is_read_is_a_diagnostic(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(path: Path) -> bytes:
        path.unlink()
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "read_bytes", vanish)
    files = ProjectFiles(project)
    assert code(files.read("script.yaml")) == "A230"
    assert files.missing == {"script.yaml"}


def test_a_file_that_can_not_be_read_is_waited_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    files = ProjectFiles(project)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert code(files.read("script.yaml")) == "A002"
        assert files.reread()
    assert files.missing == {"script.yaml"}
    assert not files.reread()


def test_the_links_of_a_kubernetes_mount_stay_inside_and_their_swap_is_seen(tmp_path: Path) -> None:
    def publish(version: str, prompt: str) -> None:
        folder = tmp_path / version
        folder.mkdir()
        config = "version: 1\nagents:\n  a: {model: m1, instructions: {file: prompt.md}}\n"
        (folder / "agents.yaml").write_text(config, encoding="utf-8")
        (folder / "prompt.md").write_text(prompt, encoding="utf-8")
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    publish("..2026_11_24_10_00", "one")
    for name in ("agents.yaml", "prompt.md"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    loaded = load(tmp_path)
    assert loaded.diagnostics == ()
    assert loaded.files.contents["prompt.md"] == b"one"
    assert loaded.files.reread()
    publish("..2026_11_24_11_00", "two")
    assert not loaded.files.reread()
    assert load(tmp_path).files.contents["prompt.md"] == b"two"


def test_the_users_own_files_may_be_links_to_elsewhere_but_a_prompt_may_not_read_them(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "shared.yaml").write_text("version: 1\nagents:\n  a: {model: '${MODEL}'}\n", encoding="utf-8")
    (project / "agents.yaml").symlink_to(tmp_path / "shared.yaml")
    (project / ".env").symlink_to(tmp_path / "shared.env")
    loaded = load(project)
    assert loaded.files.missing == {".env"}
    (tmp_path / "shared.env").write_text("MODEL=m1\n", encoding="utf-8")
    assert not loaded.files.reread()
    loaded = load(project)
    assert loaded.config is not None
    assert loaded.config.agents["a"].model == "m1"
    assert loaded.files.reread()
    assert code(loaded.files.read(".env")) == "A231"


def test_a_project_loads_from_given_bytes_alone(project: Path, tmp_path: Path) -> None:
    before = load(project)
    elsewhere = tmp_path / "nowhere"
    loaded = load(elsewhere, ProjectFiles(elsewhere, before.files.contents))
    assert loaded.diagnostics == ()
    assert loaded.config == before.config
    assert loaded.hash == before.hash
    assert loaded.root == elsewhere
    assert loaded.files.reread()


def test_what_is_not_among_the_given_bytes_does_not_exist_whatever_the_disk_holds(project: Path) -> None:
    given = {name: text.encode() for name, text in FILES.items() if name != "offline.yaml"}
    loaded = load(project, ProjectFiles(project, {**given, "ofline.yaml": b"x"}))
    assert [str(diagnostic) for diagnostic in loaded.diagnostics] == [
        "agents.yaml:4:29: error A230: the file 'offline.yaml' does not exist (did you mean 'ofline.yaml'?) "
        "[models.real.offline]"
    ]
    assert loaded.files.missing == {".env", "offline.yaml"}
    assert [d.code for d in load(project, ProjectFiles(project, {})).diagnostics] == ["A001"]


def test_sealed_files_hold_what_was_read_and_nothing_else(project: Path) -> None:
    files = ProjectFiles(project)
    files.read("script.yaml")
    sealed = files.sealed()
    assert sealed.read("script.yaml") == FILES["script.yaml"]
    assert code(sealed.read("offline.yaml")) == "A230"


def test_a_misspelt_file_is_given_the_name_of_its_neighbour(project: Path) -> None:
    answer = ProjectFiles(project).read("cards/crad.json")
    assert isinstance(answer, Diagnostic)
    assert answer.hint == "did you mean 'cards/card.json'?"


def test_files_stay_those_of_the_project_when_the_working_folder_changes(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    loaded = load_config(Path("agents.yaml"), environ={})
    monkeypatch.chdir(tmp_path)
    assert loaded.files.reread()


def test_a_folder_named_like_the_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").mkdir()
    assert [str(diagnostic) for diagnostic in load(tmp_path).diagnostics] == [
        "agents.yaml: error A002: can't read 'agents.yaml': it is a folder"
    ]


def test_a_folder_named_like_the_environment_file_is_no_environment_file(project: Path) -> None:
    (project / ".env").mkdir()
    assert load(project).diagnostics == ()


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A project with links to the root of the disk, upwards, to itself, and to another folder of the project."""
    root = tmp_path / "linked"
    for name in ("teams/one/a.yaml", "teams/b.yaml", ".hidden/c.yaml", "node_modules/x/d.yaml", "shared/e.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("agents: {}\n")
    (root / "everything").symlink_to("/")
    (root / "outside").symlink_to(tmp_path)
    (root / "teams" / "up").symlink_to(root)
    (root / "teams" / "one" / "self").symlink_to(root / "teams" / "one")
    (root / "teams" / "shared").symlink_to(root / "shared")
    return root


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("**/*.yaml", ["shared/e.yaml", "teams/b.yaml", "teams/one/a.yaml", "teams/shared/e.yaml"]),
        ("**/**/a.yaml", ["teams/one/a.yaml"]),
        ("**", ["shared/e.yaml", "teams/b.yaml", "teams/one/a.yaml", "teams/shared/e.yaml"]),
        ("teams/*.yaml", ["teams/b.yaml"]),
        ("teams/**/*.yaml", ["teams/b.yaml", "teams/one/a.yaml", "teams/shared/e.yaml"]),
        ("*/*.yaml", ["shared/e.yaml", "teams/b.yaml"]),
        (".hidden/*.yaml", [".hidden/c.yaml"]),
        ("everything/*/*.yaml", []),
        ("outside/**/*.yaml", []),
        ("teams/[ab].yaml", ["teams/b.yaml"]),
    ],
)
def test_a_pattern_follows_no_link_out_of_the_project_and_none_in_a_circle(
    linked: Path, pattern: str, names: list[str]
) -> None:
    assert ProjectFiles(linked).find(pattern) == names
