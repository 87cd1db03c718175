"""A build uses the bytes that were loaded and hashed, even if the files have changed since."""

import json
import shutil
from pathlib import Path

import pytest
from chatkit.agents import ThreadItemConverter

from runtime.assemble.project import build
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.config.load import load_config
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Pool
from runtime.scripts.player import Say, Situation

CONFIG = """\
version: 1
models:
  demo: {scripted: script.yaml}
  real: {name: m1, offline: offline.yaml}
widgets: {card: card.json}
tools: {show: {widget: tool.json}}
entry: a
agents:
  a: {model: demo, instructions: {file: prompt.md}, tools: [show], handoffs: [b]}
  b: {model: real, instructions: Help.}
"""


def write(project: Path, word: str) -> None:
    def card(name: str) -> str:
        return json.dumps({"type": "Card", "children": [{"type": "Text", "value": f"{name} {word}"}]})

    files = {
        "script.yaml": f"otherwise: script {word}\n",
        "offline.yaml": f"otherwise: offline {word}\n",
        "prompt.md": f"prompt {word}\r\nand more\r\n",
        "card.json": card("card"),
        "tool.json": card("tool"),
    }
    for name, text in files.items():
        (project / name).write_bytes(text.encode())


@pytest.mark.parametrize("since", ["changed", "deleted"])
def test_a_snapshot_is_built_from_the_loaded_bytes_alone(tmp_path: Path, since: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "agents.yaml").write_text(CONFIG, encoding="utf-8")
    write(project, "loaded")
    loaded = load_config(project, environ={})
    assert loaded.config is not None
    if since == "changed":
        write(project, "changed")
    else:
        shutil.rmtree(project)
        project.mkdir()
    share = Pool().share()
    code = ProjectCode(project)
    snapshot = build(loaded.config, loaded.files, code, {}, share, lambda *own: ThreadItemConverter(), offline=True)
    for name, said in (("demo", "script loaded"), ("real", "offline loaded")):
        model = snapshot.models.get(name).model
        assert isinstance(model, ScriptedConversation)
        assert model.steps(Situation(user="hi")) == [Say(said, 0)]
    assert snapshot.agents["a"].instructions == "prompt loaded\nand more\n"
    for name, shown in (("card", "card loaded"), ("tool.json", "tool loaded")):
        assert snapshot.widgets[name].render().model_dump()["children"][0]["value"] == shown
    assert loaded.hash == loaded.files.hash()
