"""A widget can only render, and only for a limited time."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jinja2.filters
import pytest

from runtime.resources.child_process import can_fork
from runtime.templates.template import Template
from runtime.widgets.sandbox import TrialLimits, TrialResult, drop_privileges, try_widgets
from runtime.widgets.studio import StudioTemplate
from runtime.widgets.tree import TreeTemplate
from runtime.widgets.trial import MAX_OUTPUT, TrialInput

LITTLE = TrialLimits(cpu_s=1, total_cpu_s=60, memory=128 * 1024 * 1024)
BOMBS = [
    "{{ 9 ** (9 ** 9) }}",
    "{% set n = 9 ** (9 ** 9) %}",
    "{% if false %}{{ 9 ** (9 ** 9) }}{% endif %}",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(99) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(9999) recursive %}{{ loop(range(9999)) }}{% endfor %}",
]
TOO_LARGE = ["{{ 'a' * 10 ** 10 }}", "{{ '%999999999d' % 1 }}", "{{ 'a' | center(10 ** 10) }}", "{{ [0] * 10 ** 9 }}"]
ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''|attr('__class__') }}",
    "{{ [''] | map(attribute='__class__') | list }}",
    "{{ '{0.__class__.__mro__}'.format('') }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{{ ''['__class__'] }}",
    "{{ self.__init__.__globals__ }}",
    "{{ (cycler or namespace).__init__.__globals__.os.popen('id').read() }}",
    "{{ dict.__base__.__subclasses__() }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
]
READERS = [
    "{% include '/etc/passwd' %}",
    "{% import '/etc/passwd' as p %}",
    "{% from 'x' import y %}",
    "{% extends 'base' %}",
]


def card(text: str, **more: Any) -> TrialInput:
    root = {"type": "Card", "children": [{"type": "Text", "value": text}]}
    return TrialInput(**{"root": root, "data": None, "copy_text": None, "sample": {"name": "Ada"}, **more})


def export(text: str, **more: Any) -> TrialInput:
    template = json.dumps({"type": "Card", "children": [{"type": "Text", "value": "TEXT"}]}).replace('"TEXT"', text)
    return TrialInput(
        **{"root": {"version": "1.0", "template": template}, "data": None, "copy_text": None, "sample": {}, **more}
    )


# Only a process with one thread can fork safely, which a worker of pytest-xdist is not.
FORKED, STARTED = "forked", "started"
WAYS = [FORKED, STARTED] if can_fork() else [STARTED]


@pytest.fixture(params=WAYS)
def fork(request: pytest.FixtureRequest) -> bool:
    """Both ways to start the child."""
    return bool(request.param == FORKED)


@pytest.mark.skipif(sys.platform != "linux", reason="a process is forked on Linux alone")
def test_a_fork_is_as_good_as_a_new_process() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", __file__, "-k", FORKED]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CI"))}
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], env=environ, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    assert " 4 passed" in f" {ran.stdout.splitlines()[-1]}", ran.stdout


def codes(result: TrialResult) -> list[str]:
    return [found["code"] for found in result.faults]


def test_a_widget_that_works_is_tried_without_a_word(fork: bool) -> None:
    assert try_widgets([card("Hello, {{ name }}")], fork=fork) == [TrialResult([], "", "adversarial")]


def test_a_widget_that_never_ends_is_ended_and_the_others_are_still_tried(fork: bool) -> None:
    good, wrong = card("{{ name }}"), card("{{ name.first.x }}")
    results = try_widgets([good, card(BOMBS[0]), wrong], LITTLE, fork=fork)
    assert [result.reason for result in results] == ["", "time", ""]
    assert codes(results[2]) == ["A418"]


@pytest.mark.parametrize("make", [card, export], ids=["tree", "export"])
@pytest.mark.parametrize("text", BOMBS)
def test_a_template_that_computes_without_end_is_ended(text: str, make: Any) -> None:
    [result] = try_widgets([make(text if make is card else f'"{text}"')], LITTLE)
    # Some are refused at once, such as a loop that calls itself too deep.
    assert result.reason == "time" or codes(result) == ["A418"]


@pytest.mark.parametrize("text", BOMBS)
def test_parsing_a_template_computes_nothing_of_it(text: str) -> None:
    start = time.process_time()
    Template.parse(text)
    TreeTemplate({"type": "Text", "value": text})
    StudioTemplate('{"type":"Card","children":["' + text + '"]}')
    assert time.process_time() - start < 1


@pytest.mark.parametrize("text", TOO_LARGE)
def test_a_template_that_needs_much_memory_gets_none(text: str) -> None:
    [result] = try_widgets([card(text)], LITTLE)
    assert result.reason in ("memory", "time")


def test_a_widget_that_grows_too_large_is_refused() -> None:
    [result] = try_widgets([card(f"{{{{ name * {MAX_OUTPUT} }}}}")])
    assert result.reason == "output"


@pytest.mark.parametrize("make", [card, export], ids=["tree", "export"])
@pytest.mark.parametrize("text", ESCAPES)
def test_no_template_reaches_an_object_of_python(text: str, make: Any) -> None:
    [result] = try_widgets([make(text if make is card else f"{text}")])
    assert codes(result) == ["A418"]
    assert result.reason == ""


@pytest.mark.parametrize("text", READERS)
def test_a_template_that_reads_another_file_is_refused_before_it_is_rendered(text: str) -> None:
    [result] = try_widgets([card(text)])
    assert (result.reason, result.stage) == ("crash", "")


def test_a_schema_that_takes_for_ever_is_ended_as_well() -> None:
    doubled = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)}
    text = {"$ref": "#/$defs/a0"}
    schema = {"type": "object", "properties": {"name": text}, "$defs": {**doubled, "a30": {"type": "string"}}}
    job = card("{{ name }}", data=schema, sample={"name": "a"})
    assert [result.reason for result in try_widgets([job], LITTLE)] == ["time"]


def test_a_pattern_that_takes_for_ever_is_given_up() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}}}
    job = card("{{ name }}", data=schema, sample={"name": "a" * 60 + "!"})
    assert [result.reason for result in try_widgets([job], LITTLE)] == [""]


def test_what_is_left_when_the_time_for_all_is_over_is_not_tried() -> None:
    results = try_widgets([card(BOMBS[0]), card("{{ name }}")], TrialLimits(cpu_s=0.5, total_cpu_s=0.5))
    assert [result.reason for result in results] == ["time", "skipped"]


def test_a_machine_that_is_too_slow_to_decide_is_no_fault_of_the_widget() -> None:
    results = try_widgets([card(BOMBS[0]), card("{{ name }}")], TrialLimits(cpu_s=100, wall_s=0.1))
    assert [result.reason for result in results] == ["skipped", "skipped"]


def attempt(action: Any) -> str:
    """Do something in a child as it is when it renders; return what came of it."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            drop_privileges(2**26)
            action()
            os.write(writable, b"done")
        except BaseException as error:
            os.write(writable, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(writable)
    os.waitpid(pid, 0)
    with os.fdopen(readable, "rb") as stream:
        return stream.read().decode()


FORBIDDEN = {
    "read a file": lambda: Path("/etc/hostname").read_text(),
    "write a file": lambda: Path("made.txt").write_text("x"),
    "open a socket": lambda: socket.socket(),
    "run": lambda: os.system("true"),
    "list a folder": lambda: os.listdir("/"),
    "fork": lambda: os.fork(),
    "import": lambda: __import__("this"),
    "signal": lambda: os.kill(os.getppid(), 0),
}


if FORKED in WAYS:

    def test_a_forked_process_that_renders_can_do_nothing_else() -> None:
        tried = {name: attempt(action) for name, action in FORBIDDEN.items()}
        assert tried == dict.fromkeys(FORBIDDEN, "PermissionError")
        assert attempt(lambda: None) == "done"


FILTERS = sorted(set(jinja2.filters.FILTERS) - {"random"})


def test_every_filter_of_jinja_works_in_there_as_it_does_outside(fork: bool) -> None:
    """Whatever is imported when it is first used must be there already."""
    data = {"x": "Some text & more: 12", "n": 3, "xs": [{"k": "b", "v": 1}, {"k": "a", "v": 2}]}
    texts = [f"{{{{ ({value} | {name}) | string | length > -1 }}}}" for name in FILTERS for value in ("x", "n", "xs")]
    outside = [_works(text, data) for text in texts]
    results = try_widgets([card(text, sample=data) for text in texts], TrialLimits(total_cpu_s=60), fork=fork)
    assert [not result.faults for result in results] == outside
    assert {result.reason for result in results} == {""}


def _works(text: str, data: dict[str, Any]) -> bool:
    try:
        Template.parse(text).render(data)
    except Exception:
        return False
    return True
