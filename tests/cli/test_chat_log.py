from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.commands.chat import buffered_log


@pytest.mark.parametrize("propagate", [True, False])
def test_a_record_is_held_and_then_printed_once_on_lines_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, propagate: bool
) -> None:
    monkeypatch.setattr(logging.getLogger("uvicorn"), "propagate", propagate)
    with buffered_log() as log:
        logging.getLogger("runtime.server").warning("it is %s\nand more", "slow")
        assert capsys.readouterr().err == ""
        log.flush()
        assert capsys.readouterr().err == "log: it is slow\nlog: and more\n"
        logging.getLogger("uvicorn.error").error("it broke")
    assert capsys.readouterr().err == "log: it broke\n"


def test_handlers_that_print_give_way_for_a_while(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    printing, filing = logging.StreamHandler(), logging.FileHandler(tmp_path / "log")
    root = logging.getLogger()
    root.handlers += [printing, filing]
    try:
        with buffered_log():
            logging.warning("once")
        assert root.handlers[-2:] == [printing, filing]
    finally:
        root.removeHandler(printing)
        root.removeHandler(filing)
        filing.close()
    assert capsys.readouterr().err == "log: once\n"
    assert (tmp_path / "log").read_text() == "once\n"


def test_what_the_server_logs_does_not_run_into_the_answer(project: Path, cli: Callable[..., Any]) -> None:
    (project / "script.yaml").write_text("otherwise: [Let me see, {fail: the model is overloaded}]\n")
    ran = cli("chat", "small", "-m", "hello")
    assert ran.code == 1
    assert ran.out.startswith("> hello\nLet me see\nerror: ")
    assert ran.err
    assert all(line.startswith("log: ") for line in ran.err.splitlines())
