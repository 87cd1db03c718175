"""Generations of the project's Python beside each other: none sees another one's, and none leaves anything behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib
import inspect
import linecache
import pickle
import random
import sys
import threading
import traceback
import typing
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runtime.project_code import proxies
from runtime.project_code.code_cache import texts_in_use
from runtime.project_code.loader import ProjectCode, ResolveError
from tests.project_code.writing import write_modules

pytestmark = pytest.mark.usefixtures("modules_as_before")

MODELS = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Optional
from pydantic import BaseModel

STAMP = {stamp!r}

@dataclass
class Thing:
    x: int
    other: Optional[Thing] = None

class Node(BaseModel):
    thing: Optional[Thing] = None
    late: Optional[Late] = None

class Late(BaseModel):
    stamp: str = STAMP
"""


def _names(prefix: str = "") -> dict[str, Any]:
    return {name: id(module) for name, module in sys.modules.items() if name.partition(".")[0] == prefix or not prefix}


def test_a_failed_attempt_leaves_no_trace_on_a_table_that_goes_on(tmp_path: Path) -> None:
    write_modules(
        tmp_path, app__init="", app__old="X = []", app__new="from app import old\nimport app.newer", app__newer=""
    )
    code = ProjectCode(tmp_path)
    kept = code.resolve("app.old:X")
    before, modules, attributes = _names(), dict(code.modules), set(vars(code.load("app")))

    def fail() -> None:
        with code.attempt():
            assert code.resolve("app.new:old").X is kept
            assert {"app.new", "app.newer"} <= sys.modules.keys()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (_names(), dict(code.modules), set(vars(code.load("app")))) == (before, modules, attributes)
    assert code.resolve("app.old:X") is kept
    # What was taken back is loaded again when it is wanted.
    assert code.resolve("app.new:old").X is kept


def test_an_attempt_fails_also_without_an_exception_and_inside_another(tmp_path: Path) -> None:
    write_modules(tmp_path, one="", two="", three="")
    code = ProjectCode(tmp_path)
    with code.attempt() as outer:
        code.load("one")
        with code.attempt() as inner:
            code.load("two")
            inner.fail()
        assert set(code.modules) == {"one"}
        with code.attempt():
            code.load("three")
        assert set(code.modules) == {"one", "three"}
        outer.fail()
    assert code.modules == {}
    with code.attempt():
        code.load("one")
    assert set(code.modules) == {"one"}


def test_what_a_package_had_under_the_name_of_a_submodule_comes_back(tmp_path: Path) -> None:
    write_modules(tmp_path, app__init="leaf = 'was here'", app__leaf="", app__fails="from app import fails\n1 / 0")
    code = ProjectCode(tmp_path)
    app = code.load("app")
    with code.attempt() as attempt:
        assert code.load("app.leaf") is app.leaf
        attempt.fail()
    assert app.leaf == "was here"
    with pytest.raises(ZeroDivisionError):
        code.load("app.fails")
    assert not hasattr(app, "fails")


@pytest.mark.parametrize("line", ["import app.one as one", "from app import one", "from . import one"])
def test_a_circle_of_imports_stays_inside_its_generation_for_ever(tmp_path: Path, line: str) -> None:
    tables = []
    for stamp in ("one", "two"):
        write_modules(tmp_path, app__init="", app__one=f"import app.two\nSTAMP = {stamp!r}", app__two=line)
        tables.append(ProjectCode(tmp_path))
        tables[-1].load("app.one")
    for code, stamp in zip(tables, ("one", "two"), strict=True):
        assert code.resolve("app.two:one") is code.load("app.one")
        assert stamp == code.resolve("app.two:one").STAMP


def test_each_generation_pickles_and_unpickles_its_own(tmp_path: Path) -> None:
    tables = []
    for stamp in ("one", "two"):
        tables.append(ProjectCode(write_modules(tmp_path, models=MODELS.format(stamp=stamp))))
        tables[-1].load("models")
    one, two = tables
    one.publish()
    things = [code.resolve("models:Thing")(1) for code in tables]
    for code, thing in zip(tables, things, strict=True):
        with code.pinned():
            assert pickle.loads(pickle.dumps(thing)) == thing
    with two.pinned():
        kept = pickle.dumps(things[1])
    # Nobody's thread: what serves.
    assert type(pickle.loads(kept)) is type(things[0])
    two.publish()
    assert type(pickle.loads(kept)) is type(things[1])
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(things[0])


def test_a_candidate_that_is_being_built_shows_itself_to_nobody_but_its_builder(tmp_path: Path) -> None:
    serving = ProjectCode(write_modules(tmp_path, models=MODELS.format(stamp="one")))
    thing = serving.resolve("models:Thing")(1)
    serving.publish()
    candidate = ProjectCode(write_modules(tmp_path, models=MODELS.format(stamp="two")))
    with candidate.attempt() as attempt:
        built = candidate.resolve("models:Thing")(2)
        assert pickle.loads(pickle.dumps(built)) == built
        assert typing.get_type_hints(type(built))["other"] == typing.Optional[type(built)]  # noqa: UP045
        with ThreadPoolExecutor(1) as elsewhere:
            assert elsewhere.submit(lambda: pickle.loads(pickle.dumps(thing)) == thing).result()
            hints = elsewhere.submit(typing.get_type_hints, type(thing)).result()
        assert hints["other"] == typing.Optional[type(thing)]  # noqa: UP045
        attempt.fail()
    assert pickle.loads(pickle.dumps(thing)) == thing
    assert sys.modules["models"].STAMP == "one"


def test_pydantic_finishes_a_model_with_the_types_of_its_own_generation(tmp_path: Path) -> None:
    tables = [ProjectCode(write_modules(tmp_path, models=MODELS.format(stamp=stamp))) for stamp in ("one", "two")]
    nodes = [code.resolve("models:Node") for code in tables]
    tables[1].publish()
    for code, node, stamp in zip(tables, nodes, ("one", "two"), strict=True):
        # `Late` is defined after the class: it is looked up at the first use.
        with code.pinned():
            assert node.model_validate({"late": {}}).late.stamp == stamp
            assert type(node.model_validate({"late": {}}).late) is code.resolve("models:Late")


def test_an_object_unpickles_as_what_serves_although_its_module_was_not_loaded_yet(tmp_path: Path) -> None:
    one = ProjectCode(write_modules(tmp_path, models=MODELS.format(stamp="one"), entry=""))
    one.publish()
    kept = pickle.dumps(one.resolve("models:Thing")(3))
    two = ProjectCode(write_modules(tmp_path, models=MODELS.format(stamp="two"), entry=""))
    two.load("entry")
    two.publish()
    assert "models" not in two.modules
    thing = pickle.loads(kept)
    assert type(thing) is two.resolve("models:Thing")


def test_import_module_finds_the_generation_that_it_is_called_in(tmp_path: Path) -> None:
    source = "import importlib\n\ndef find(name):\n    return importlib.import_module(name, __package__)\n"
    tables = []
    for stamp in ("one", "two"):
        write_modules(tmp_path, app__init="", app__find=source, app__plug__leaf=f"STAMP = {stamp!r}")
        tables.append(ProjectCode(tmp_path))
    for code, stamp in zip(tables, ("one", "two"), strict=True):
        with code.pinned():
            for name in ("app.plug.leaf", ".plug.leaf"):
                assert stamp == code.resolve("app.find:find")(name).STAMP
            # A package's attribute is the module itself.
            assert code.load("app.plug").leaf is code.load("app.plug.leaf")
            with pytest.raises(ModuleNotFoundError, match=r"app\.nothing"):
                importlib.import_module("app.nothing")
    write_modules(tmp_path, not_loaded="")
    with pytest.raises(ModuleNotFoundError, match="not_loaded"):
        importlib.import_module("not_loaded")


def test_import_module_works_while_a_module_is_imported(tmp_path: Path) -> None:
    source = (
        "import importlib, pkgutil\nimport plug\nFOUND = [importlib.import_module(f'plug.{m.name}').X for m in pkgutil"
    )
    write_modules(
        tmp_path, plug__init="", plug__a="X = 1", plug__b="X = 2", finds=source + ".iter_modules(plug.__path__)]"
    )
    assert ProjectCode(tmp_path).resolve("finds:FOUND") == [1, 2]


def test_a_module_can_not_be_reloaded_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = ProjectCode(write_modules(tmp_path, by_hand="X = 1"))
    module = code.load("by_hand")
    spec = module.__spec__
    write_modules(tmp_path, by_hand="X = 2")
    monkeypatch.syspath_prepend(tmp_path)
    for copy in (module, sys.modules["by_hand"]):
        with pytest.raises(ImportError):
            importlib.reload(copy)
        with code.pinned(), pytest.raises(ImportError):
            importlib.reload(copy)
    assert (module.X, module.__spec__) == (1, spec)


def test_what_looks_at_every_module_loads_none(tmp_path: Path) -> None:
    write_modules(tmp_path, quiet="X = 1", other="def f(): ...")
    old = ProjectCode(tmp_path)
    old.load("quiet")
    write_modules(tmp_path, quiet="raise RuntimeError('loaded')")
    new = ProjectCode(tmp_path)
    function = new.resolve("other:f")
    new.publish()
    for module in list(sys.modules.values()):
        assert getattr(module, "__file__", None) != "loaded"
    assert not hasattr(sys.modules["quiet"], "__spec__")
    assert repr(sys.modules["quiet"]) == "<module 'quiet' of the project>"
    module = inspect.getmodule(function)
    assert module is not None
    assert module.f is function


def test_a_proxy_is_the_module_for_all_that_read_or_write_it(tmp_path: Path) -> None:
    code = ProjectCode(write_modules(tmp_path, app="X = 1"))
    module, proxy = code.load("app"), sys.modules["app"]
    assert inspect.ismodule(proxy)
    assert vars(proxy) is vars(module)
    assert set(dir(proxy)) == set(dir(module))
    proxy.X = 2  # type: ignore[attr-defined]  # as a test's monkeypatch does
    assert module.X == 2
    del proxy.X  # type: ignore[attr-defined]
    assert not hasattr(module, "X")


def test_a_module_may_put_something_else_in_its_own_place(tmp_path: Path) -> None:
    write_modules(
        tmp_path, lazy="import sys\nclass Lazy:\n    X = 7\nsys.modules[__name__] = Lazy()", user="import lazy"
    )
    code = ProjectCode(tmp_path)
    assert code.resolve("user:lazy.X") == 7
    code.discard()
    assert "lazy" not in sys.modules


def test_the_copy_of_an_app_around_the_project_stays_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_modules(tmp_path, around="X = []")
    monkeypatch.syspath_prepend(tmp_path)
    theirs = importlib.import_module("around")
    code = ProjectCode(tmp_path)
    assert code.resolve("around:X") is not theirs.X
    assert sys.modules["around"] is theirs
    code.discard()
    assert sys.modules["around"] is theirs


def test_the_name_of_an_installed_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResolveError, match=r"the project's 'json' has the name of an installed module \(rename it\)"):
        ProjectCode(write_modules(tmp_path, json="X = 1")).resolve("json:X")
    assert sys.modules["json"] is importlib.import_module("json")


def test_tracebacks_and_sources_are_those_of_their_generation(tmp_path: Path) -> None:
    texts = [f"{'# a line more' + chr(10) if n else ''}def fail():\n    raise ValueError('of {n}')\n" for n in range(3)]
    functions = []
    for text in texts:
        functions.append(ProjectCode(write_modules(tmp_path, app__fails=text)).resolve("app.fails:fail"))
    write_modules(tmp_path, app__fails="a broken edit (\n")
    for number, function in enumerate(functions):
        assert inspect.getsource(function) == f"def fail():\n    raise ValueError('of {number}')\n"
        with pytest.raises(ValueError, match=f"of {number}") as caught:
            function()
        assert f"raise ValueError('of {number}')" in "".join(traceback.format_exception(caught.value))
        # Whoever opens the file that a traceback names finds it.
        assert Path(function.__code__.co_filename) == tmp_path.resolve() / "app" / "fails.py"


def test_the_error_of_a_circular_import_says_that_it_is_one(tmp_path: Path) -> None:
    write_modules(tmp_path, one="from two import X\nY = 1", two="from one import Y\nX = 1")
    with pytest.raises(
        ResolveError, match=r"partially initialized module 'one' \(most likely due to a circular import\)"
    ):
        ProjectCode(tmp_path).resolve("one:X")


TABLE = """
from sqlalchemy import Column, Integer
{base}
class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
"""


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path_factory.mktemp("installed")
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.filterwarnings("ignore:This declarative base already contains a class")
def test_a_table_on_a_base_from_outside_is_refused_with_the_way_out(tmp_path: Path, outside: Path) -> None:
    write_modules(outside, shared_base="from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase): ...")
    base = "from shared_base import Base"
    write_modules(tmp_path, app__db=TABLE.format(base=base), app__tools="from app.db import User")
    assert ProjectCode(tmp_path).resolve("app.tools:User")
    with pytest.raises(ResolveError) as caught:
        ProjectCode(tmp_path).resolve("app.tools:User")
    assert "Table 'users' is already defined for this MetaData instance" in caught.value.message
    assert "at app/db.py:4" in str(caught.value)
    assert "'app.db' registers a name in sqlalchemy" in caught.value.hint
    assert "created in the project" in caught.value.hint
    assert "or restart" in caught.value.hint


def test_a_table_on_a_base_of_the_project_can_be_loaded_again_and_again(tmp_path: Path) -> None:
    base = "from app.base import Base"
    write_modules(tmp_path, app__base="from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase): ...")
    write_modules(tmp_path, app__db=TABLE.format(base=base))
    users = [ProjectCode(tmp_path).resolve("app.db:User") for _ in range(3)]
    assert len({id(user.metadata) for user in users}) == 3


def test_a_metric_in_a_registry_from_outside_is_refused_with_the_way_out(tmp_path: Path, outside: Path) -> None:
    registry = """
names = set()

class Counter:
    def __init__(self, name):
        if name in names:
            raise ValueError("Duplicated timeseries in CollectorRegistry: {'%s'}" % name)
        names.add(name)
"""
    write_modules(outside, prometheus_client__init="from prometheus_client.registry import Counter")
    write_modules(outside, prometheus_client__registry=registry)
    write_modules(tmp_path, metrics="from prometheus_client import Counter\nTURNS = Counter('turns')")
    try:
        assert ProjectCode(tmp_path).resolve("metrics:TURNS")
        with pytest.raises(ResolveError, match="Duplicated timeseries") as caught:
            ProjectCode(tmp_path).resolve("metrics:TURNS")
        assert "'metrics' registers a name in prometheus_client" in caught.value.hint
    finally:
        for name in ("prometheus_client", "prometheus_client.registry"):
            sys.modules.pop(name, None)


def test_the_same_words_at_the_first_load_are_a_mistake_of_the_code(tmp_path: Path) -> None:
    base = "from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase): ..."
    write_modules(tmp_path, twice=TABLE.format(base=base) + TABLE.format(base="").replace("User", "Again"))
    with pytest.raises(ResolveError, match="is already defined") as caught:
        ProjectCode(tmp_path).resolve("twice:User")
    assert caught.value.hint == ""


def _live_and_die(root: Path, number: int) -> list[weakref.ref[Any]]:
    """Load a generation, have it do what makes others remember it, and drop it."""
    lazy = "import app.a\n\ndef g():\n    from app import lazy\n    return lazy.X"
    circle = "from app import b\nfrom app.models import Thing, Node\n\ndef f(thing: Thing) -> Node: ..."
    write_modules(root, app__models=MODELS.format(stamp=number), app__lazy=f"X = {number}", app__a=circle, app__b=lazy)
    code = ProjectCode(root)
    with code.attempt():
        thing = code.resolve("app.models:Thing")(number)
        assert code.resolve("app.b:g")() == number
    code.publish()
    assert pickle.loads(pickle.dumps(thing)) == thing
    typing.get_type_hints(code.resolve("app.a:f"))
    typing.get_type_hints(type(thing))
    code.resolve("app.models:Node").model_validate({"late": {}})
    inspect.getsource(code.resolve("app.a:f"))
    code.discard()
    return [weakref.ref(code), weakref.ref(type(thing)), *map(weakref.ref, code.modules.values())]


def test_old_generations_are_collected_whole(tmp_path: Path) -> None:
    canaries: list[weakref.ref[Any]] = []
    sizes = []
    gc.collect()  # whatever other tests have dropped
    for number in range(300):
        canaries += _live_and_die(tmp_path, number)
        if number % 50 == 49:
            gc.collect()
            tables = (sys.modules, linecache.cache, sys.path_importer_cache, proxies.serving_tables())
            sizes.append([texts_in_use(), *(len(table) for table in tables)])
    assert len(canaries) == 300 * 7
    assert [canary for canary in canaries if canary() is not None] == []
    assert sizes == [sizes[0]] * len(sizes)
    assert not [name for name in sys.modules if name.partition(".")[0] == "app"]
    assert not [name for name in linecache.cache if name.startswith(str(tmp_path))]


def test_a_table_that_nobody_discards_leaves_nothing_either(tmp_path: Path) -> None:
    code = ProjectCode(write_modules(tmp_path, dropped="def f(): ..."))
    code.load("dropped")
    code.publish()
    assert "dropped" in sys.modules
    del code
    gc.collect()
    assert "dropped" not in sys.modules


def test_a_discarded_table_still_serves_what_runs_on_it(tmp_path: Path) -> None:
    lazy = (
        "def f():\n    import importlib, late, state\n    return late.X, state.seen, importlib.import_module('later').X"
    )
    code = ProjectCode(write_modules(tmp_path, lazy=lazy, late="X = 1", later="X = 2", state="seen = [1]"))
    code.resolve("state:seen").append(2)
    function = code.resolve("lazy:f")
    code.discard()
    with code.pinned():
        assert function() == (1, [1, 2], 2)


def test_a_pinned_context_keeps_no_generation_alive(tmp_path: Path) -> None:
    code = ProjectCode(write_modules(tmp_path, app="X = 1"))
    with code.pinned():
        kept = contextvars.copy_context()
    canary = weakref.ref(code)
    del code
    gc.collect()
    assert canary() is None
    assert kept.run(proxies.pinned_table) is None


STRESS = """
import pickle
from dataclasses import dataclass
from stress.stamp import STAMP

@dataclass
class Thing:
    x: object

def run(number):
    from stress import inner
    import stress.deep.leaf as leaf
    from stress.stamp import STAMP as lazy
    thing = pickle.loads(pickle.dumps(Thing(lazy)))
    import importlib
    found = importlib.import_module("stress.found")
    return {STAMP, lazy, inner.STAMP, inner.again(), leaf.STAMP, thing.x, type(thing) is Thing or "x", found.STAMP}
"""


async def test_no_call_ever_mixes_generations(tmp_path: Path) -> None:
    """Twenty clients, half of them threads, run what imports lazily while a hundred generations are loaded."""
    inner = "from stress.stamp import STAMP\n\ndef again():\n    from stress.deep import leaf\n    return leaf.STAMP"

    def load(number: int) -> ProjectCode:
        files = {"stamp": f"STAMP = {number}", "deep__leaf": "from stress.stamp import STAMP", "inner": inner}
        files |= {"tool": STRESS, "found": "from stress.stamp import STAMP"}
        code = ProjectCode(write_modules(tmp_path, **{f"stress__{name}": text for name, text in files.items()}))
        with code.attempt():
            code.load("stress.tool")
        return code

    current = load(0)
    current.publish()
    calls: list[tuple[set[Any], int]] = []
    over, served = threading.Event(), asyncio.Event()

    def call(number: int) -> None:
        code = current
        with code.pinned():
            calls.append((code.resolve("stress.tool:run")(number), code.load("stress.stamp").STAMP))

    async def client(number: int) -> None:
        pick = random.Random(number)
        while not over.is_set():
            if number % 2:
                await asyncio.to_thread(call, number)
            else:
                call(number)
            served.set()
            await asyncio.sleep(pick.choice((0, 0.001)))

    async with asyncio.TaskGroup() as clients:
        for number in range(20):
            clients.create_task(client(number))
        for number in range(1, 101):
            old, current = current, await asyncio.to_thread(load, number)
            current.publish()
            old.discard()
            served.clear()
            await served.wait()
        over.set()
    mixed = [found for found, stamp in calls if found != {stamp, True}]
    assert mixed == []
    assert len({stamp for _, stamp in calls}) > 50
