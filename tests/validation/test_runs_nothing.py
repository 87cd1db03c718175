"""`validate` runs no byte of a project, though it reads its Python: a canary in every module, and an audit hook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.project_code.writing import write_modules

CANARY = """
from pathlib import Path
Path(__file__).with_suffix(".ran").write_text("ran")
RAN = 1 / 0
"""
CONFIG = """
version: 1
models: {default: {python: app.canary:model}}
tools:
  one: app.canary:tool
  two: {factory: app.canary:make}
  three: app.reads:search
  four: app.broken:search
widgets: {card: {python: app.canary:card}}
agents: {guide: {instructions: {python: app.canary:text}, tools: [one, two, three, four, "app.canary:more"]}}
actions: {go: app.canary:go}
chat: {title: {python: app.canary:title}}
context: app.canary:context
context_class: app.reads:Context
converter: app.canary:converter
routes: ["app.canary:router"]
state: {book: "app.canary:book"}
store: {python: app.canary:store}
"""
CHILD = """
import sys
from pathlib import Path

root = str(Path(sys.argv[1]).resolve())
touched = []

def watch(event, args):
    if event == "exec":
        touched.extend([args[0].co_filename] if args[0].co_filename.startswith(root) else [])
    elif event == "import":
        touched.extend([args[0]] if args[0].split(".")[0] in ("app", "canary", "namespace") else [])
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.fork"):
        touched.append(event)

sys.addaudithook(watch)
from runtime.validation.project import check_project
from runtime.config.load import load_config

found = check_project(load_config(Path(sys.argv[1])))
codes = {diagnostic.code for diagnostic in found}
assert {"A322", "A321"} <= codes, [str(diagnostic) for diagnostic in found]
sdk = [name for name in ("agents", "chatkit", "openai", "fastapi", "starlette", "sqlalchemy") if name in sys.modules]
assert not sdk, sdk
assert not touched, touched
exec(compile("", root + "/app/canary.py", "exec"))
assert touched, "the hook would not have noticed"
"""


def test_checking_a_project_runs_no_byte_of_it(tmp_path: Path) -> None:
    project = write_modules(
        tmp_path / "project",
        app__init=CANARY,
        app__canary=CANARY,
        app__broken="def search(:",
        app__reads="import app.canary\nfrom runtime import RuntimeContext\nclass Context(RuntimeContext): pass\n"
        + CANARY,
        namespace__leaf=CANARY,
        sitecustomize=CANARY,
        agents=CANARY,
        yaml=CANARY,
    )
    (project / "agents.yaml").write_text(CONFIG)
    # With the project as its working folder, where a stray import would find it.
    child = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(project)!r})\n{CHILD}", str(project)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )
    assert child.returncode == 0, child.stderr
    assert list(tmp_path.rglob("*.ran")) == []
