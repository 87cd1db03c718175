"""Cross-checks of endpoints: addresses, origins and programs that certainly can't be reached or started (A258)."""

from __future__ import annotations

import json
import re
import shlex
from ipaddress import ip_address
from urllib.parse import urlsplit

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.mcp import StdioMcpServer
from runtime.config.references import find_names
from runtime.diagnostics.key_path import KeyPath

_CODE = "A258"
_URLS = ("mcp.*.url", "models.*.base_url", "tools.*.url", "tools.*.base_url")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[^\s/?#\[\]*@]+?)(:[0-9]+)?")
_CALL = re.compile(r"/(chat/completions|completions|responses|embeddings|models)/?$")
_OPTION_AND_VALUE = re.compile(r"-{1,2}[A-Za-z][\w-]* [^\s'\"]+")


def check_endpoints(config: Config, collector: DiagnosticCollector) -> None:
    """Report what can't be listened on, called, or started."""
    _check_host(config.server.host, collector)
    for index, origin in enumerate(config.server.cors):
        _check_origin(origin, ("server", "cors", index), collector)
    for url, path in find_names(config, *_URLS):
        _check_url(url, path, collector)
    for name, server in config.mcp.items():
        if isinstance(server, StdioMcpServer):
            _check_command(server, ("mcp", name), collector)


def _check_host(host: str, collector: DiagnosticCollector) -> None:
    try:
        ip_address(host.partition("%")[0])
        return
    except ValueError:
        pass
    if _HOST_NAME.fullmatch(host) and not re.fullmatch(r"[0-9.]+", host):
        return
    message = f"{host!r} is no address to listen on"
    collector.report(_CODE, ("server", "host"), message, _host_hint(host))


def _host_hint(host: str) -> str:
    if host in ("*", "any", "all"):
        return "write 0.0.0.0 for every address of this machine"
    try:
        parts = urlsplit(host if "://" in host else f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return "such as 127.0.0.1, 0.0.0.0 or ::1"
    if name and port:
        return f"write 'host: {name}' and 'port: {port}'"
    return f"write 'host: {name}'" if name and name != host else "such as 127.0.0.1, 0.0.0.0 or ::1"


def _check_origin(origin: str, path: KeyPath, collector: DiagnosticCollector) -> None:
    if origin in ("*", "null") or _ORIGIN.fullmatch(origin):
        return
    message = f"no page has the origin {origin!r}"
    hint = "an origin is a scheme, a host and, if it is not the usual one, a port: https://app.example.com"
    if "*" in origin:
        hint = "list each origin, or write '*' for any"
    elif "://" in origin and (parts := urlsplit(origin.lower())).netloc:
        hint = f"write '{parts.scheme}://{parts.netloc}'"
    elif _HOST_NAME.fullmatch(origin.partition(":")[0]):
        scheme = "http" if origin.startswith(("localhost", "127.")) else "https"
        hint = f"write '{scheme}://{origin}'"
    collector.report(_CODE, path, message, hint)


def _check_url(url: str, path: KeyPath, collector: DiagnosticCollector) -> None:
    if "${" in url:
        return
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or re.search(r"\s", url):
        # The address may contain a secret.
        collector.report(
            _CODE, path, f"{path[-1]!r} is no address that can be called", "such as https://example.com/v1"
        )
    elif path[0] == "models" and (call := _CALL.search(parts.path)):
        message = f"{path[-1]!r} ends in {call[0]!r}, which each call adds"
        collector.report(_CODE, path, message, f"end it before {call[0]!r}", severity="warning")


def _check_command(server: StdioMcpServer, at: KeyPath, collector: DiagnosticCollector) -> None:
    command = server.command.strip()
    first = command.split(maxsplit=1)[0] if command else ""
    if re.match(r"https?://", command):
        message = f"{command!r} is the address of a server, and 'command' starts a program"
        collector.report(_CODE, (*at, "command"), message, f"write 'url: {command}'")
    elif command != first and not {"/", "\\"} & set(first):
        message = f"there is no program named {server.command!r}"
        collector.report(_CODE, (*at, "command"), message, _command_hint(command))
    for index, argument in enumerate(server.args):
        if _OPTION_AND_VALUE.fullmatch(argument):
            option, value = argument.split(" ", 1)
            message = f"{argument!r} is one argument for the program"
            hint = f"write two: {option!r}, {value!r}"
            collector.report(_CODE, (*at, "args", index), message, hint, severity="warning")


def _command_hint(command: str) -> str:
    try:
        program, *arguments = shlex.split(command)
    except ValueError:
        return "write the program in 'command' and each argument in 'args'"
    if set(arguments) & {"&&", "||", "|", ";", ">"} or "=" in program:
        program, arguments = "sh", ["-c", command]
    return f"write command: {program}, args: {json.dumps(arguments, ensure_ascii=False)}"
