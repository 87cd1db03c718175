"""The installed wheel serves the chat page, on a machine without Node and without the sources."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.web.conftest import Visitor

ROOT = Path(__file__).parents[2]


def test_the_wheel_alone_has_the_chat_page(tmp_path: Path, visitor: Visitor) -> None:
    packages, project, programs = tmp_path / "packages", tmp_path / "my-chat", tmp_path / "bin"
    programs.mkdir()
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in archive.namelist() if name.startswith("web/")] == []
        archive.extractall(packages)
    # No program but this Python: neither Node nor a browser is found.
    environ = {**os.environ, "PYTHONPATH": str(packages), "PATH": str(programs), "NO_COLOR": "1"}
    command = [sys.executable, "-c", "import sys; from runtime.cli.app import run; sys.exit(run(sys.argv[1:]))"]
    where = [sys.executable, "-c", "import runtime; print(runtime.__file__)"]
    said = subprocess.run(where, cwd=tmp_path, env=environ, check=True, capture_output=True, text=True).stdout
    assert said.startswith(str(packages))
    subprocess.run([*command, "init", str(project)], cwd=tmp_path, env=environ, check=True, capture_output=True)
    with subprocess.Popen(
        [*command, "dev", str(project), "--port", "0"],
        cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            lines = []
            for line in server.stdout:
                lines.append(line)
                if line.startswith("serving "):
                    break
            else:
                pytest.fail("".join(lines))
            [url] = [line.split()[1] for line in lines if line.startswith("open ")]
            chat = visitor.open(url.rstrip("/"))
            chat.say("hello")
            chat.shows("hello")
            chat.frame.get_by_role("button", name="Copy").first.wait_for()
            chat.page.close()
        finally:
            server.terminate()
            server.stdout.close()
