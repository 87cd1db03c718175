"""Run the program of an MCP server by itself, to find out why it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from mcp.client.stdio import get_default_environment

from runtime.assemble.mcp import program_of
from runtime.config.load import LoadedProject
from runtime.config.model.mcp import StdioMcpServer
from runtime.config.secrets.mask import mask_source

_LAST_LINES = 5
_LAST_CHARACTERS = 500


async def end_of_program(entry: StdioMcpServer, loaded: LoadedProject, answer_s: float) -> str:
    """Run the program of a server, without input; return how it ended and what it printed, or '' if it still runs."""
    program = program_of(entry, loaded.root, loaded.environ)
    try:
        process = await asyncio.create_subprocess_exec(
            program["command"],
            *program["args"],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**get_default_environment(), **program["env"]},
            cwd=program["cwd"],
            start_new_session=True,
        )
    except OSError as error:
        return f"{program['command']!r} can't be started: {(error.strerror or str(error)).lower()}"
    try:
        async with asyncio.timeout(answer_s):
            _, printed = await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            # With the programs that it started, as npx does.
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        await process.wait()
        return ""
    if not process.returncode:
        return ""
    lines = [line.strip() for line in printed.decode(errors="replace").splitlines() if line.strip()]
    # Masked first: half of a secret would not be recognised.
    last = mask_source("; ".join(lines[-_LAST_LINES:]), loaded.secrets)[-_LAST_CHARACTERS:]
    code = process.returncode
    ended = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    return f"the program {ended}: {last}" if last else f"the program {ended}, and printed nothing"
