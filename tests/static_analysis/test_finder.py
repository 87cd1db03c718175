"""One module at a time is found where reading all of them finds it, and nothing is imported for that."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.project_code.sources import read_sources
from runtime.static_analysis.module import ModuleFinder, Modules
from tests.project_code.writing import write_modules

# `agents` and `json` are installed; the others are skipped folders, no identifiers, or may be anybody's.
_PARTS = ("a", "b", "c", "agents", "json", "node_modules", "__pycache__", "no-name", "site-packages")
_LEAVES = ("a", "b", "__init__", "no-name", "agents")
_files = st.lists(
    st.tuples(
        st.lists(st.sampled_from(_PARTS), max_size=3), st.sampled_from(_LEAVES), st.sampled_from((".py", ".txt"))
    ),
    max_size=8,
)


@settings(max_examples=80)
@given(_files)
def test_the_lookup_and_the_reading_of_all_sources_agree(files: list[tuple[list[str], str, str]]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for parents, leaf, suffix in files:
            path = root.joinpath(*parents, leaf + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        sources, finder = read_sources(root), ModuleFinder(root)
        names = {".".join(name) for name in _names(sources.modules)}
        for name in names:
            found = finder.find(name) if finder.knows(name) else None
            source = sources.modules.get(name)
            assert (found is None) == (source is None), name
            assert finder.knows(name) == any(
                known.partition(".")[0] == name.partition(".")[0] for known in sources.modules
            )
            if found is not None and source is not None:
                assert found.ours
                assert found.is_package == source.is_package
                assert found.path == (source.path if source.path in sources.files else None)
        assert finder.names_in("") == sorted(name for name in sources.modules if "." not in name)


def _names(known: object) -> list[list[str]]:
    words = ["a", "b", "c", "agents", "json", "node_modules", "__init__"]
    names = [[one] for one in words] + [[one, two] for one in words for two in words]
    return names + [name.split(".") for name in known]  # type: ignore[attr-defined]


def test_a_folder_of_modules_gives_way_to_an_installed_package(tmp_path: Path) -> None:
    write_modules(tmp_path, agents__mine="X = 1")
    finder = ModuleFinder(tmp_path)
    assert finder.gives_way("agents") is True
    assert not finder.knows("agents.mine")
    assert finder.find("agents.mine") is None
    found = finder.find("agents.tool")
    assert found is not None
    assert not found.ours


def test_what_is_installed_is_found_without_being_imported(tmp_path: Path) -> None:
    before = set(sys.modules)
    finder = ModuleFinder(tmp_path)
    for name in ("wsgiref.handlers", "xml.dom.expatbuilder", "lib2to3.pgen2.driver", "math", "_json", "no_such_thing"):
        finder.find(name)
    found = finder.find("wsgiref.handlers")
    assert found is not None
    assert found.path is not None
    assert found.path.name == "handlers.py"
    math = finder.find("math")
    assert math is not None
    assert math.opaque == "is compiled"
    assert finder.find("no_such_thing") is None
    assert finder.find("wsgiref.no_such_thing") is None
    assert set(sys.modules) == before


def test_only_the_modules_that_are_named_are_read(tmp_path: Path) -> None:
    write_modules(tmp_path, app__init="", app__named="X = 1", app__other="X = 1", elsewhere__deep__leaf="X = 1")
    modules = Modules.of(tmp_path)
    assert modules.get("app.named") is not None
    assert set(modules.read) == {"app.named"}


def test_a_folder_that_can_not_be_listed_is_a_package_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_modules(tmp_path, locked__leaf="X = 1")
    scandir = os.scandir

    def refusing(path: str | Path) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    modules = Modules.of(tmp_path)
    assert set(read_sources(tmp_path).modules) == {"locked"}
    assert modules.get("locked.leaf") is None
    module = modules.get("locked")
    assert module is not None
    assert module.broken is not None
