"""`validate --watch` in a process of its own, as a person uses it: files are edited, and its output is awaited."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Ctrl-C can't be sent to one process alone")

PATIENCE_S = 180.0
HEAVY = ("agents", "chatkit", "openai", "fastapi", "starlette", "uvicorn", "sqlalchemy", "runtime.server")
FINE = """version: 1
models: {default: {name: gpt-6-luna, api_key: none}}
agents: {helper: {instructions: {file: help.md}}}
"""
WRONG = "version: 1\nagents: {helper: {modle: gpt-6-luna}}\n"


class Watching:
    """A running `validate --watch`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def until(self, words: str) -> str:
        """Wait for the line with these words, and give all that came up to it."""
        printed = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            printed.append(line)
            if words in line:
                return "".join(printed)
        pytest.fail(f"it ended without {words!r}:\n" + "".join(printed))

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; the exit code and what else was printed."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, rest


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watching]]:
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, code: str = "from runtime.__main__ import main; raise SystemExit(main())") -> Watching:
        command = [sys.executable, "-c", code, "validate", "--watch", *arguments]
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        running.append(process)
        return Watching(process)

    guard = threading.Timer(PATIENCE_S, lambda: [process.kill() for process in running])
    guard.start()
    yield start
    guard.cancel()
    for process in running:
        process.kill()
        process.communicate()


def write(folder: Path, config: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "help.md").write_text("Help.\n")
    (folder / "agents.yaml").write_text(config)


def test_each_edit_is_reported_until_ctrl_c(watch: Callable[..., Watching], tmp_path: Path) -> None:
    write(tmp_path / "small", FINE)
    watching = watch("small")
    first = watching.until("small/agents.yaml: ok (1 agent)")
    assert re.fullmatch(r"\d\d:\d\d:\d\d small/agents\.yaml\nsmall/agents\.yaml: ok \(1 agent\)\n", first)

    (tmp_path / "small" / "agents.yaml").write_text(WRONG)
    watching.until("error A101: unknown key 'modle'")
    watching.until("small/agents.yaml: 1 error")

    # As editors save: beside it, then in its place.
    (tmp_path / "small" / "new").write_text(FINE)
    (tmp_path / "small" / "new").replace(tmp_path / "small" / "agents.yaml")
    watching.until("small/agents.yaml: ok (1 agent)")

    (tmp_path / "small" / "help.md").unlink()
    watching.until("error A230: the file 'help.md' does not exist")
    (tmp_path / "small" / "help.md").write_text("Here again.\n")
    watching.until("small/agents.yaml: ok (1 agent)")

    code, rest = watching.interrupt()
    assert (code, rest.strip()) == (130, "")


# Saves that stop in the middle of something, or that have a word too much: what recovery drops, no check may miss.
BROKEN = {
    "an unquoted comma": ("chat: {start_prompts: [{label: Ask, me, prompt: Hello}]}\n", "A101"),
    "half an entry of a handoff": (
        "tools: {more: {agent: helper, descr: }}\nentry: [{when: , agnt: helper}]\n",
        "A101",
    ),
    "a bracket that is not closed": ("tools: {look: {widget: card, ", "A010"),
    "a quote that is not closed": ("chat: {greeting: 'Don't}\n", "A010"),
    "a section without its content": ("widgets:\nguardrails: {calm: {regex: }}\n", "A102"),
    "a name that nothing has": ("actions: {order: {widget: card}}\n", "A20"),
    "half a template": ('entry: [{when: "{{ user.", agent: helper}, helper]\n', "A240"),
}


def test_each_broken_save_is_reported_and_the_mended_one_is_fine(
    watch: Callable[..., Watching], tmp_path: Path
) -> None:
    write(tmp_path / "small", FINE)
    watching = watch("small")
    watching.until("small/agents.yaml: ok (1 agent)")

    def save(text: str) -> None:
        (tmp_path / "edited").write_text(text)
        (tmp_path / "edited").replace(tmp_path / "small" / "agents.yaml")

    for what, (text, code) in BROKEN.items():
        save(FINE + text)
        printed = watching.until("small/agents.yaml: ")
        while not re.search(r"agents\.yaml: \d+ error", printed):
            printed += watching.until("small/agents.yaml: ")
        assert f"error {code}" in printed, what
        assert "unexpected" not in printed, what
        save(FINE)
        watching.until("small/agents.yaml: ok (1 agent)")


def test_a_file_that_grows_word_by_word_is_reported_to_its_end(watch: Callable[..., Watching], tmp_path: Path) -> None:
    write(tmp_path / "small", "")
    watching = watch("small")
    watching.until("small/agents.yaml: 1 error")
    whole = (
        FINE
        + "chat: {start_prompts: [{label: Ask, prompt: Hello}]}\nentry: [{when: '{{ true }}', agent: helper}, helper]\n"
    )
    for end in range(20, len(whole), 23):
        (tmp_path / "edited").write_text(whole[:end])
        (tmp_path / "edited").replace(tmp_path / "small" / "agents.yaml")
        assert "unexpected" not in watching.until("small/agents.yaml: ")
    (tmp_path / "edited").write_text(whole)
    (tmp_path / "edited").replace(tmp_path / "small" / "agents.yaml")
    watching.until("small/agents.yaml: ok (1 agent)")


def test_a_project_that_is_not_there_yet_is_waited_for(watch: Callable[..., Watching], tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    watching = watch("small")
    watching.until("small/agents.yaml: 1 error")
    write(tmp_path / "small", FINE)
    watching.until("small/agents.yaml: ok (1 agent)")


def test_of_several_projects_only_the_one_that_changes_is_checked_again(
    watch: Callable[..., Watching], tmp_path: Path
) -> None:
    write(tmp_path / "one", FINE)
    write(tmp_path / "two", FINE)
    watching = watch("one", "two")
    first = watching.until("agents.yaml: ok") + watching.until("agents.yaml: ok")
    assert "one/agents.yaml: ok" in first
    assert "two/agents.yaml: ok" in first
    for folder, other in (("two", "one"), ("one", "two")):
        # As a whole: a file that is seen half written is reported as well, and the rest of it once more.
        (tmp_path / "edited").write_text(WRONG)
        (tmp_path / "edited").replace(tmp_path / folder / "agents.yaml")
        assert f"{other}/agents.yaml" not in watching.until(f"{folder}/agents.yaml: 1 error")


def test_a_failure_of_the_runtime_itself_does_not_end_it(watch: Callable[..., Watching], tmp_path: Path) -> None:
    write(tmp_path / "small", FINE)
    code = (
        "import runtime.validation.project as project\n"
        "real, calls = project.check_project, []\n"
        "def once(loaded):\n"
        "    calls.append(loaded)\n"
        "    return 1 / 0 if len(calls) == 1 else real(loaded)\n"
        "project.check_project = once\n"
        "from runtime.__main__ import main\nraise SystemExit(main())\n"
    )
    watching = watch("small", code=code)
    watching.until("unexpected ZeroDivisionError")
    (tmp_path / "small" / "agents.yaml").write_text(WRONG)
    watching.until("small/agents.yaml: 1 error")


def test_it_loads_no_sdk_and_no_server(watch: Callable[..., Watching], tmp_path: Path) -> None:
    write(tmp_path / "small", FINE)
    code = (
        "import sys\nfrom runtime.__main__ import main\ncode = main()\n"
        f"print('LOADED', code, sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    watching = watch("small", code=code)
    watching.until("ok (1 agent)")
    assert watching.interrupt()[1].endswith("LOADED 130 []\n")
