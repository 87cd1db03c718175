"""Run an example's two servers, the handwritten one and the declared one, and hold the same conversation with both."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import agents
import httpx
import pytest
from openai import AsyncOpenAI

from runtime.server.app import create_app
from tests.examples.differences import Difference, Permitted, differences
from tests.examples.example_model import Canned, ExampleModel
from tests.examples.exchanges import Caller, Exchange, Reader
from tests.examples.serving import serving

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# A connection for each request: uvicorn drops one on which an app has failed, and a handwritten server closes none.
CLOSE = {"connection": "close"}


@dataclass(frozen=True)
class Pair:
    """An example: its folder's name, what its model says, and the conversation that is held.

    The folder has `agents.yaml`, whose variables `<PREFIX>_MODEL` and `<PREFIX>_MODEL_URL` say where the model is, and
    `handwritten/server.py` with `create_app(model)`. `headers` go with every request.
    """

    name: str
    prefix: str
    script: Path
    play: Callable[[Caller], Awaitable[None]]
    canned: Canned = lambda user: None
    headers: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return EXAMPLES / self.name


@dataclass(frozen=True)
class Run:
    """What one server said, and what it asked the model."""

    exchanges: dict[str, Exchange]
    model_requests: list[dict[str, Any]]


@dataclass(frozen=True)
class Runs:
    handwritten: Run
    ours: Run

    def differences(self) -> list[Difference]:
        pairs = zip(self.handwritten.exchanges.values(), self.ours.exchanges.values(), strict=True)
        return [difference for handwritten, ours in pairs for difference in differences(handwritten, ours)]

    def unexplained(self, permitted: list[Permitted]) -> list[Difference]:
        return [d for d in self.differences() if not any(entry.covers(d) for entry in permitted)]

    def unused(self, permitted: list[Permitted]) -> list[Permitted]:
        found = self.differences()
        return [entry for entry in permitted if not any(entry.covers(difference) for difference in found)]


@contextmanager
def run_both(pair: Pair, tmp_path: Path) -> Iterator[Runs]:
    """Hold the conversation with both servers; no module of the example stays behind, and none of its threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        patch.syspath_prepend(str(pair.folder))
        agents.set_tracing_disabled(True)
        before = set(sys.modules)
        try:
            yield Runs(_run_handwritten(pair), _run_ours(pair, tmp_path))
        finally:
            agents.set_tracing_disabled(False)
            for name in set(sys.modules) - before:
                if _stands_in(EXAMPLES, sys.modules[name]):
                    del sys.modules[name]


def _stands_in(folder: Path, module: Any) -> bool:
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(place and Path(place).is_relative_to(folder) for place in places)


def _run_handwritten(pair: Pair) -> Run:
    create_handwritten = importlib.import_module("handwritten.server").create_app
    model = ExampleModel(pair.script, Reader(), pair.canned)
    with serving(model.app) as model_url:
        client = AsyncOpenAI(base_url=f"{model_url}/v1", api_key="none", max_retries=0, default_headers=CLOSE)
        with serving(create_handwritten(agents.OpenAIResponsesModel("example", client))) as url:
            return Run(asyncio.run(_talk(pair, url, model.reader)), model.requests)


def _run_ours(pair: Pair, tmp_path: Path) -> Run:
    model = ExampleModel(pair.script, Reader(), pair.canned)
    with serving(model.app) as model_url:
        environ = {
            f"{pair.prefix}_MODEL": "example",
            f"{pair.prefix}_MODEL_URL": f"{model_url}/v1",
            f"{pair.prefix}_DATA": str(tmp_path),
            "OPENAI_API_KEY": "none",
            **pair.environ,
        }
        with serving(create_app(pair.folder / "agents.yaml", environ=environ)) as url:
            return Run(asyncio.run(_talk(pair, url, model.reader)), model.requests)


async def _talk(pair: Pair, url: str, reader: Reader) -> dict[str, Exchange]:
    async with httpx.AsyncClient(base_url=url, timeout=180, headers={**CLOSE, **pair.headers}) as http:
        caller = Caller(http, reader)
        await pair.play(caller)
    assert len({exchange.name for exchange in caller.exchanges}) == len(caller.exchanges), "an exchange's name repeats"
    return {exchange.name: exchange for exchange in caller.exchanges}
