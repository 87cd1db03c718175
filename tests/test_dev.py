"""The script of the README's first command: it hands its process over, so that signals find what they are meant for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import httpx
import pytest

DEV = Path(__file__).parents[1] / "dev.py"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no exec and no SIGTERM")


@pytest.fixture
def dev() -> ModuleType:
    spec = spec_from_file_location("dev", DEV)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installed(tmp_path: Path, dev: ModuleType) -> dict[str, str]:
    """An environment with the programs of the one that runs the tests, marked as set up."""
    (tmp_path / "bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / "installed-requirements").write_text(dev.requirements_digest())
    return {**os.environ, "CHATKIT_DEV_ENV": str(tmp_path), "CHATKIT_STORE": "memory", "PYTHONIOENCODING": "utf-8"}


@pytest.fixture
def serving(installed: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(DEV), "dev", "--port", "0"], env=installed, stdout=subprocess.PIPE, encoding="utf-8"
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_to_the_script_ends_the_server(serving: subprocess.Popen[str], number: int, code: int) -> None:
    assert serving.stdout is not None
    url = next(line.split()[1] for line in serving.stdout if line.startswith("serving "))
    health = url.replace("/chatkit", "/health")
    assert httpx.get(health, trust_env=False, timeout=180).status_code == 200
    serving.send_signal(number)
    assert serving.wait() == code
    with pytest.raises(httpx.ConnectError):
        httpx.get(health, trust_env=False)


def test_a_command_gets_its_arguments_and_gives_its_exit_code(installed: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, str(DEV), "validate", str(tmp_path)]
    ran = subprocess.run(command, env=installed, capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 1
    assert "there is no 'agents.yaml'" in ran.stdout


def test_without_a_command_it_says_what_there_is() -> None:
    ran = subprocess.run([sys.executable, str(DEV)], capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 2
    assert "python3 dev.py dev" in ran.stdout


def test_the_set_up_says_which_package_it_installs(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    names = "\n".join(f"Collecting package{number}==1.0" for number in range(50))
    dev.install("installing", [sys.executable, "-c", f"print({names!r})"], 50)
    assert capsys.readouterr().err.splitlines() == ["installing", "installing: 25 of 50", "installing: 50 of 50"]


def test_a_set_up_that_fails_shows_what_the_installer_printed(
    dev: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        dev.install("installing", [sys.executable, "-c", "print('no route to host'); raise SystemExit(1)"], 1)
    assert "no route to host" in capsys.readouterr().err


def test_uv_installs_where_it_is_found(dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho "$@" >> "$0.calls"\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name, value in {"ENVIRONMENT": "", "BIN": "bin", "INSTALLED": "installed-requirements"}.items():
        monkeypatch.setattr(dev, name, tmp_path / "env" / value)
    dev.set_up()
    calls = (tmp_path / "uv.calls").read_text().splitlines()
    assert [call.split()[:2] for call in calls] == [["pip", "install"], ["pip", "install"]]
    assert "--require-hashes" in calls[0]
    assert dev.INSTALLED.read_text() == dev.requirements_digest()
