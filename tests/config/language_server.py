"""yaml-language-server, which editors use, driven over stdio with the schema from a local file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.compiling import MODULES, missing

PROGRAM = Path("yaml-language-server") / "bin" / "yaml-language-server"
LANGUAGE = "yaml"


class LanguageServer:
    """One running server. Requests wait for their answers; what else arrives meanwhile is answered or kept."""

    def __init__(self, process: subprocess.Popen[bytes], schema: Path) -> None:
        self._process = process
        self._schema = schema
        self._last = 0
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}

    def start(self) -> None:
        capabilities = {
            "workspace": {"configuration": True},
            "textDocument": {
                "publishDiagnostics": {},
                "hover": {"contentFormat": ["markdown"]},
                "completion": {"completionItem": {"snippetSupport": False}},
            },
        }
        self.request("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities})
        self._notify("initialized", {})
        self._notify("workspace/didChangeConfiguration", {"settings": self._settings()})

    def diagnostics(self, file: str, text: str) -> list[str]:
        """Open a file, and return the messages that an editor would underline."""
        self.open(file, text)
        uri = self._uri(file)
        while uri not in self._diagnostics:
            self._receive()
        return [f"{each['range']['start']['line'] + 1}: {each['message']}" for each in self._diagnostics[uri]]

    def open(self, file: str, text: str) -> None:
        document = {"uri": self._uri(file), "languageId": LANGUAGE, "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})

    def hover(self, file: str, line: int, column: int) -> str:
        """Return the text that an editor shows at a position, which counts from 0."""
        answer = self.request("textDocument/hover", self._position(file, line, column))
        contents = (answer or {}).get("contents", "")
        return contents.get("value", "") if isinstance(contents, dict) else str(contents)

    def complete(self, file: str, line: int, column: int) -> list[str]:
        """Return the labels that an editor offers at a position, which counts from 0."""
        answer = self.request("textDocument/completion", self._position(file, line, column))
        items = answer if isinstance(answer, list) else answer["items"]
        return [item["label"] for item in items]

    def request(self, method: str, params: dict[str, Any]) -> Any:
        self._last += 1
        number = self._last
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _uri(self, file: str) -> str:
        """Return the address of a file beside the schema, which the first line of many files names."""
        return (self._schema.parent / file).as_uri()

    def _position(self, file: str, line: int, column: int) -> dict[str, Any]:
        return {"textDocument": {"uri": self._uri(file)}, "position": {"line": line, "character": column}}

    def _settings(self) -> dict[str, Any]:
        # Without the store of schemas, the server asks for nothing outside of this machine.
        return {
            LANGUAGE: {
                "schemas": {self._schema.as_uri(): ["*.yaml"]},
                "schemaStore": {"enable": False},
                "validate": True,
                "hover": True,
                "completion": True,
            }
        }

    def _notify(self, method: str, params: dict[str, Any]) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        """Return the next message; answer the server's own requests, and keep its diagnostics."""
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server has ended"
        message: dict[str, Any] = json.loads(stream.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            items = message.get("params", {}).get("items", [])
            settings = self._settings()
            result = [settings.get(item.get("section")) for item in items] if items else None
            self._send({"id": message["id"], "result": result})
        return message


@contextmanager
def run_language_server(schema: Path) -> Iterator[LanguageServer]:
    """Start the server; skip the test where it is not installed, or fail in CI."""
    modules, node = os.environ.get(MODULES), shutil.which("node")
    program = Path(modules or "") / PROGRAM
    if not modules or node is None or not program.is_file():
        missing(f"yaml-language-server is missing: `npm ci` in a copy of tests/browser, and {MODULES}=…/node_modules")
    process = subprocess.Popen([node, str(program), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        server = LanguageServer(process, schema)
        server.start()
        yield server
    finally:
        process.kill()
        process.communicate()
