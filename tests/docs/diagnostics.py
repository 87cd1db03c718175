"""Draws docs/diagnostics.md and a page for each code, from the codes, their explanations and the fixtures."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from runtime.cli.report.frames import draw_frame
from runtime.config.load import load_config
from runtime.diagnostics.codes import read_codes
from tests.config.catalogue import BUILT, CONFIGS, ENVIRON, WITHOUT_FIXTURE, check, expected_of

SECTIONS = {
    "A0": "Reading the file",
    "A1": "The shape of the file",
    "A2": "Names, files and templates",
    "A3": "Tools and other Python",
    "A4": "Widgets and their actions",
    "A5": "Variables and secrets",
    "A6": "Models, and the project as a whole",
    "A7": "Changes against a base",
}
HEAD = """# Diagnostics

Every message about a project has a code that stays the same from release to release. `chatkit-runtime validate` prints
each with its place, the line and a way out; `chatkit-runtime explain A203` says why it matters and what to do. The page
of a code says the same, with an example that is wrong, what is said about it, and one that is right.
"""
NAME = "agents.yaml"
WIDTH = 120
SAID_BY = {
    "A316": "The reload that `after` asks for, while `before` serves, says",
    "A630": "`chatkit-runtime validate --connect` says",
}


def draw_index() -> str:
    parts = [HEAD]
    for prefix, title in SECTIONS.items():
        rows = [
            f"| [{code}](diagnostics/{code}.md) | {entry.summary} |\n"
            for code, entry in read_codes().items()
            if code.startswith(prefix)
        ]
        parts += [f"\n## {prefix}xx: {title}\n\n| code | meaning |\n|---|---|\n", *rows]
    return "".join(parts)


def draw_page(code: str) -> str:
    text = textwrap.fill(read_codes()[code].explanation, WIDTH, break_long_words=False, break_on_hyphens=False)
    parts = [f"# {code}: {read_codes()[code].summary}\n", f"{text}\n"]
    if code in WITHOUT_FIXTURE:
        parts.append("There is no example: no file is known that leads here.\n")
    else:
        bad, good = fixtures_of(code)
        drawn = list(_draw_built(code, bad) if code in BUILT else _draw_checked(code, bad))
        parts += ["## Wrong\n", *drawn, "## Right\n", *_draw_good(good, beside="The file" in "".join(drawn))]
    return "\n".join([*parts, "[All diagnostics](../diagnostics.md)\n"])


def fixtures_of(code: str) -> tuple[Path, Path]:
    """The config that shows a code, and the one that does it right."""
    folder = CONFIGS / ("built" if code in BUILT else "bad")
    file = folder / f"{code}.yaml"
    return file if file.exists() else folder / code, CONFIGS / "good" / f"{code}.yaml"


def _draw_checked(code: str, bad: Path) -> Iterator[str]:
    loaded, found = check(bad)
    names = dict.fromkeys([loaded.file.name, *(diagnostic.place.file for diagnostic in found)])
    files = {name: loaded.root / name for name in names if (loaded.root / name).is_file()}
    if bad.is_dir():
        files |= _files_of(bad)
    base = bad.parent / "base" / bad.name
    if base.is_file():
        yield f"The file before, as `base.yaml`:\n\n{draw_block(base.read_text(encoding='utf-8'))}"
    # What is no UTF-8 is shown as an editor would guess.
    yield from _draw_files(files, bad, "latin-1" if code == "A003" else "utf-8", titled=base.is_file())
    yield f"`chatkit-runtime validate{' --base base.yaml' if base.is_file() else ''}` says:\n"
    frames = [draw_frame(diagnostic, loaded.sources.get(diagnostic.place.file)) for diagnostic in found]
    yield draw_block(_as_in_a_project("".join(frames), bad), ".txt")


def _draw_built(code: str, bad: Path) -> Iterator[str]:
    """A project that only a build refuses; tests/cli holds the text that it is refused with."""
    report = expected_of(bad).read_text(encoding="utf-8")
    named = dict.fromkeys(re.findall(r"^([\w/]+\.py):", report, re.MULTILINE))
    files = _files_of(bad) if bad.is_dir() else {bad.name: bad} | {name: bad.parent / name for name in named}
    yield from _draw_files(files, bad, "utf-8")
    yield f"{SAID_BY.get(code, '`chatkit-runtime validate --import` says')}:\n"
    yield draw_block(_as_in_a_project(report, bad), ".txt")


def _draw_good(good: Path, *, beside: bool) -> Iterator[str]:
    """Draw a config, and the texts that it names, where a text is what the bad one is about."""
    named = [name for name in load_config(good, environ=ENVIRON).sources if name != good.name] if beside else []
    yield from _draw_files({good.name: good} | {name: good.parent / name for name in named}, good, "utf-8")


def _files_of(folder: Path) -> dict[str, Path]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    paths.sort(key=lambda path: ("before" not in path.parts, path))
    return {path.relative_to(folder).as_posix(): path for path in paths if path.name != "script.yaml"}


def _draw_files(files: dict[str, Path], bad: Path, encoding: str, *, titled: bool = False) -> Iterator[str]:
    for name, path in files.items():
        title = f"The file `{name}`:\n\n" if titled or len(files) > 1 or name not in (NAME, bad.name) else ""
        yield _as_in_a_project(title, bad) + draw_block(path.read_text(encoding=encoding), path.suffix)


def _as_in_a_project(text: str, bad: Path) -> str:
    """A reader's file is called agents.yaml, and is in a folder of its own."""
    text = text.replace(f"{bad.parent / 'base' / bad.name}", "base.yaml").replace(str(bad), "my-project")
    return text.replace(bad.name if bad.suffix else NAME, NAME)


def draw_block(text: str, suffix: str = ".yaml") -> str:
    language = {".yaml": "yaml", ".json": "json", ".widget": "json", ".py": "python"}.get(suffix, "text")
    return f"```{language}\n{text.rstrip()}\n```\n"
