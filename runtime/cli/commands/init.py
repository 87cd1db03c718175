"""The verb `init`: write a commented project with a test, which runs offline."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from runtime.cli.commands.schema import schema_text
from runtime.cli.display import display_path
from runtime.errors import UsageError

# The template of each file. The names of templates have no leading dot: git and the packager would apply a .gitignore.
TEMPLATES = {
    "agents.yaml": "agents.yaml",
    "tools/hello.py": "hello.py",
    "widgets/greeting.json": "greeting.json",
    "demo/script.yaml": "script.yaml",
    "tests/test_agent.py": "test_agent.py",
    ".gitignore": "gitignore",
    ".env.example": "env.example",
    "README.md": "README.md",
}

_NEXT = """
next:
{cd}  chatkit-runtime chat       talk to it in the terminal; it runs offline
  chatkit-runtime dev        chat with it in the browser
  chatkit-runtime validate   check agents.yaml after a change
  python -m pytest           run its tests (pip install pytest)"""


def init_project(folder: Path, *, force: bool) -> int:
    """Write the project into `folder`; return 1 and write nothing if a file exists and `force` is off."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is a file (give a folder)")
    texts = _texts(folder.resolve().name)
    existing = [name for name in texts if (folder / name).exists()]
    if existing and not force:
        listed = f"{', '.join(existing)} {'exists' if len(existing) == 1 else 'exist'}"
        print(f"error: nothing was written: {listed} (pass --force to overwrite)", file=sys.stderr)
        return 1
    _write(folder, texts)
    print(f"wrote {len(texts)} files:")
    for name in texts:
        print(f"  {display_path(folder / name)}")
    here = folder.resolve() == Path.cwd()
    print(_NEXT.format(cd="" if here else f"  cd {display_path(folder)}\n"))
    return 0


def _texts(project: str) -> dict[str, str]:
    templates = files("runtime.cli") / "templates"
    texts = {name: (templates / source).read_text(encoding="utf-8") for name, source in TEMPLATES.items()}
    texts["README.md"] = texts["README.md"].replace("PROJECT_NAME", project)
    texts["agents.schema.json"] = schema_text()
    return texts


def _write(folder: Path, texts: dict[str, str]) -> None:
    try:
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {error.filename!r}: {error.strerror}") from error
