"""Which URLs open which store, and the errors for the others."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.config.model.server import UrlStore
from runtime.stores import open_declared_store, open_store
from runtime.stores.memory import MemoryStore
from runtime.stores.sql import SqlStore
from runtime.stores.store import StoreError
from tests.stores.breaking import NEEDS_POSTGRES, count_connections, database


def test_each_url_names_its_store() -> None:
    assert isinstance(open_store("memory"), MemoryStore)
    for url in ("sqlite:///threads.db", "postgres://alice@db.example/chat?sslmode=require"):
        assert isinstance(open_store(url), SqlStore)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://root:hunter2@db/chat", "unknown store 'mysql' (use 'memory', 'sqlite:///path' or 'postgresql://…')"),
        ("threads.db", "unknown store 'threads.db' (use 'memory', 'sqlite:///path' or 'postgresql://…')"),
        ("sqlite://", "a sqlite store needs a file (sqlite:///path, or 'memory' to store nothing)"),
        ("sqlite:///:memory:", "a sqlite store needs a file (sqlite:///path, or 'memory' to store nothing)"),
        (
            "postgresql://u:hunter2@h:port/db",
            "the store's URL can't be read (expected sqlite:///path or postgresql://…)",
        ),
    ],
)
def test_any_other_url_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert str(caught.value) == message


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StoreError, match=r"asyncpg \(pip install 'chatkit-runtime\[postgres\]'\)"):
        open_store("postgresql://db.example/chat")


@NEEDS_POSTGRES
async def test_a_store_opens_no_more_connections_than_are_declared(tmp_path: Path) -> None:
    async with database() as url:
        store = open_declared_store(UrlStore(url=url, connections=2, timeout=60), tmp_path)
        await store.open()
        await asyncio.gather(*(store.check() for _ in range(8)))
        assert 1 <= await count_connections(url) <= 2
        await store.close()


async def test_a_database_that_doesnt_answer_is_named_without_its_password() -> None:
    with pytest.raises(StoreError, match=r"can't open the store 'postgresql://u:\*\*\*@127.0.0.1:1/db'"):
        await open_store("postgresql://u:hunter2@127.0.0.1:1/db").open()


async def test_a_folder_in_the_place_of_the_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't open the store"):
        await open_store(f"sqlite:///{tmp_path}").open()


async def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "threads.db").write_text("not a database, though it is long enough to look like one" * 20)
    with pytest.raises(StoreError, match="file is not a database"):
        await open_store(f"sqlite:///{tmp_path}/threads.db").open()


def test_the_memory_store_needs_no_sqlalchemy() -> None:
    code = "import sys; from runtime.stores import open_store; open_store('memory'); print('sqlalchemy' in sys.modules)"
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def test_a_server_imports_only_what_its_project_needs() -> None:
    heavy = "{'sqlalchemy', 'cryptography.fernet', 'jwt', 'limits', 'regex', 'pypdf', 'asyncpg'}"
    code = f"import sys; import runtime.server.app; print({heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_a_sqlite_store_needs_nothing_of_postgresqls(tmp_path: Path) -> None:
    code = (
        "import sys; from runtime.stores import open_store; open_store('sqlite:///threads.db'); "
        "print({'sqlalchemy.orm', 'sqlalchemy.ext.asyncio', 'sqlalchemy.dialects.postgresql'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout == "set()\n"
