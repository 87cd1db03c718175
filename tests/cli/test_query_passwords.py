"""The password of a store in the query of its address is shown nowhere, like one in front of the host."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime import create_app

WORD = "hunter%2F22pass"
PLAIN = "hunter/22pass"
ADDRESSES = {
    "user": f"postgresql://me:{WORD}@127.0.0.1:1/chat",
    "password": f"postgresql://127.0.0.1:1/chat?user=me&password={WORD}",
    "sslpassword": f"postgresql://me@127.0.0.1:1/chat?sslmode=prefer&sslpassword={WORD}",
    "in capitals": f"postgresql://127.0.0.1:1/chat?PASSWORD={WORD}",
    "malformed": f"postgres:/127.0.0.1:1/chat?password={WORD}",
}


@pytest.fixture(params=ADDRESSES)
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with such a store, a mistake beside it, and a script."""
    (tmp_path / "script.yaml").write_text("otherwise: hi\n")
    (tmp_path / "agents.yaml").write_text(
        f"version: 1\nmodels: {{default: {{scripted: script.yaml}}}}\nagents: {{helper: {{}}}}\nauth: none\n"
        f'store: "{ADDRESSES[request.param]}"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def clean(text: str) -> bool:
    return not any(form in text for form in (WORD, PLAIN, WORD[:9], "22pass"))


@pytest.mark.parametrize(
    "arguments",
    [
        *(("validate", "--format", form) for form in ("text", "json", "github", "sarif", "junit")),
        ("validate", "--import"),
        ("validate", "--connect"),
        ("show",),
        ("show", "--resolved"),
        ("migrate",),
        ("data", "owners"),
        ("serve", "--port", "0"),
        ("chat", "-m", "hello"),
    ],
    ids=" ".join,
)
def test_no_output_of_a_command_has_the_password(
    project: Path, cli: Callable[..., Any], arguments: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    ran = cli(*arguments)
    assert clean(ran.out + ran.err + caplog.text), ran.out + ran.err + caplog.text
    reports = [path.read_text() for path in (project / ".chatkit").rglob("*") if path.is_file()]
    assert all(map(clean, reports))


async def test_no_route_and_no_log_has_the_password(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    if (
        "postgres:/" in (project / "agents.yaml").read_text()
        and "postgresql" not in (project / "agents.yaml").read_text()
    ):
        with pytest.raises(Exception, match="A") as refused:
            create_app(project)
        assert clean(str(refused.value))
        return
    app = create_app(project)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        texts = [(await client.get(path)).text for path in ("/ready", "/-/config", "/-/usage", "/-/feedback")]
        texts.append((await client.post("/-/reload")).text)
        body = json.dumps({"type": "threads.list", "params": {}})
        headers = {"content-type": "application/json"}
        texts.append((await client.post("/chatkit", content=body, headers=headers)).text)
    assert all(map(clean, texts)), texts
    assert clean(caplog.text), caplog.text
