"""docs/getting-started.md, followed step by step: its files are written, its commands run, its output compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.forked import ForkedProcess

PAGE = Path(__file__).parents[2] / "docs" / "getting-started.md"
STEP = re.compile(r"<!-- (?P<kind>[a-z]+)(?:: (?P<what>[^>]+))? -->\n```\w*\n(?P<text>.*?)```", re.DOTALL)
PRINTED_ADDRESS = "http://127.0.0.1:8000"


@dataclass
class Reader:
    """Somebody who follows the page: a folder, the last command's output, and the server that runs."""

    folder: Path
    output: str = ""
    server: ForkedProcess | None = None
    address: str = PRINTED_ADDRESS
    done: list[str] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHONPATH": str(PAGE.parents[1]), "NO_COLOR": "1", "PYTHONUTF8": "1"}

    def run(self, commands: str, what: str | None) -> None:
        for command in commands.replace(PRINTED_ADDRESS, self.address).replace("\n  ", " ").splitlines():
            code, self.output = self._run(shlex.split(command))
            assert (code != 0) == (what == "fails"), self.output

    def _run(self, words: list[str]) -> tuple[int, str]:
        if words[0] == "cd":
            self.folder /= words[1]
            return 0, ""
        if words[:3] == ["python", "-m", "pytest"] or words[0] == "chatkit-runtime":
            program, arguments = (
                ("chatkit-runtime", words[1:]) if words[0] == "chatkit-runtime" else ("pytest", words[3:])
            )
            process = ForkedProcess(arguments, self.folder, self.environ, program)
            with process.stdout:
                return process.wait(), process.stdout.read()
        ran = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        return ran.returncode, ran.stdout

    def write(self, text: str, what: str | None) -> None:
        assert what is not None
        (self.folder / what).write_text(text)

    def replace(self, diff: str, what: str | None) -> None:
        assert what is not None
        old, new = ("\n".join(line[1:] for line in diff.splitlines() if line[0] == sign) for sign in "-+")
        text = (self.folder / what).read_text()
        assert text.count(old) == 1, f"{what} has {old!r} {text.count(old)} times"
        (self.folder / what).write_text(text.replace(old, new))

    def serve(self, command: str, what: str | None) -> None:
        arguments = command.split()
        assert arguments.pop(0) == "chatkit-runtime"
        self.server = ForkedProcess([*arguments, "--port", "0"], self.folder, self.environ)
        url = next(line.split()[1] for line in self.server.stdout if line.startswith("serving "))
        self.address = url.removesuffix("/chatkit")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "home").mkdir()
    reader = Reader(tmp_path / "home")
    yield reader
    if reader.server is not None:
        reader.server.kill()
        reader.server.wait()
        reader.server.stdout.close()


async def test_the_page_can_be_followed(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in STEP.finditer(PAGE.read_text(encoding="utf-8")):
        kind, what, text = step["kind"], step["what"], step["text"]
        reader.done.append(kind)
        if kind == "output":
            assert text.rstrip() in reader.output
        elif kind == "app":
            await _ask_the_deployed_app(reader, monkeypatch)
        else:
            getattr(reader, kind)(text, what)
        if what == "tools/shop.py" and kind == "replace":
            _until_it_is_reloaded(reader)
    assert {"run", "output", "write", "replace", "serve", "app"} <= set(reader.done)


def _until_it_is_reloaded(reader: Reader) -> None:
    assert reader.server is not None
    line = next(line for line in reader.server.stdout if "generation 2 serves" in line)
    assert "tools/shop.py" in line
    reader.run(
        f"curl -sN {PRINTED_ADDRESS}/chatkit -H 'content-type: application/json' -d '{_message('open on Monday')}'",
        None,
    )
    assert "8 to 20" in reader.output


def _message(text: str) -> str:
    content = (
        f'{{"content": [{{"type": "input_text", "text": "{text}"}}], "attachments": [], "inference_options": {{}}}}'
    )
    return f'{{"type": "threads.create", "params": {{"input": {content}}}}}'


async def _ask_the_deployed_app(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reader.folder)
    monkeypatch.setenv("ADA_TOKEN", "secret")
    names: dict[str, Any] = {"__name__": "main"}
    exec(compile((reader.folder / "main.py").read_text(), "main.py", "exec"), names)
    app = names["app"]
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        body = {"type": "threads.list", "params": {}}
        statuses = [
            (await client.post("/chatkit", json=body, headers=headers)).status_code
            for headers in ({}, {"authorization": "Bearer secret"}, {"authorization": "Bearer wrong"})
        ]
    assert statuses == [401, 200, 401]
