"""The verbs `data …` and `migrate`: what operators do to the data of a store, each with a line in its audit log."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from runtime.cli.display import display_path
from runtime.cli.project import load_project, print_problems
from runtime.config.model.server import UrlStore
from runtime.diagnostics.diagnostic import has_errors
from runtime.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from runtime.stores.blobs import FileStore
    from runtime.stores.sql import SqlStore
    from runtime.stores.store import ThreadStore

_PLURALS = {"count of tokens": "counts of tokens"}
_REWRITING = "rewriting the database, so that its files hold no deleted bytes"
_LONGEST_NAME, _LONGEST_SUFFIX = 140, 20
"""Bytes of the name of an exported file; encrypted file systems have room for 143, others for 255."""
_URL = re.compile(r"[a-z][a-z0-9+]*://")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class ProjectData:
    """The stores that a project declares, opened: its threads, and the files of its attachments if it has any."""

    store: ThreadStore
    files: FileStore | None

    async def record(self, action: str, user: str, detail: str) -> None:
        """Add an entry to the audit log, if the store has one."""
        from runtime.stores.sql import SqlStore

        if isinstance(self.store, SqlStore):
            await self.store.record(action, user_hash(user), detail)


def user_hash(user: str) -> str:
    """Return the subject of an entry of the audit log: the SHA-256 of the user's id, or an empty string without one."""
    return hashlib.sha256(user.encode()).hexdigest() if user else ""


def export_user(path: Path, user: str, output: Path | None) -> int:
    """Write everything that the store holds of a user to a new folder; return 1 if it holds nothing."""
    folder = output or Path(f"export-{user_hash(user)[:12]}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{display_path(folder)} is not empty (choose another folder with --output)")

    async def work(data: ProjectData) -> int:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        counts = dict[str, int]()
        with (folder / "data.jsonl").open("x", encoding="utf-8") as lines:
            async for line in _everything_of(data, user, folder / "files"):
                counts[line["type"]] = counts.get(line["type"], 0) + 1
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
        text = _counts(counts)
        await data.record("export", user, text)
        print(f"{text} in {display_path(folder)}")
        return 0 if counts else 1

    return asyncio.run(_with_data(path, work))


def erase_user(path: Path, user: str, *, confirmed: bool, rewrite: bool) -> int:
    """Delete everything that the store holds of a user, after a confirmation."""

    async def work(data: ProjectData) -> int:
        from runtime.stores.sql import SqlStore

        text = await _what_is_erased(data.store, user)
        if not confirmed and not _confirm(f"Delete {text} and the token usage of {user!r} for ever?"):
            print("nothing was deleted", file=sys.stderr)
            return 1
        await data.store.erase_owner(user)
        if data.files is not None:
            await _delete_files(data.files, user)
        await data.record("erase", user, text)
        if rewrite and isinstance(data.store, SqlStore):
            _say(_REWRITING)
            await data.store.rewrite()
        print(f"deleted {text}")
        return 0

    return asyncio.run(_with_data(path, work))


async def _what_is_erased(store: ThreadStore, user: str) -> str:
    from runtime.stores.store import StoreError

    try:
        return _counts(
            {
                "thread": len([thread async for thread in store.iterate_threads(user)]),
                "attachment": len(await store.list_attachments(user)),
            }
        )
    except StoreError:  # without its key
        return "what can't be decrypted"


def move_store(source: str, target: str) -> int:
    """Copy every row of a store to an empty one, and check that all are there."""

    async def move() -> int:
        async with _sql_store(source) as old, _sql_store(target) as new:
            if await old.has_running_turns():
                raise UsageError(f"answers are being written in {_shown(source)} (stop the server first)")
            copied = await new.copy_from(old, _show_progress)
            await new.record("move", "", f"{copied} rows from {_shown(source)}")
        print(f"copied {copied} rows; change `store:` of the project to the new address (attached files stay in place)")
        return 0

    return asyncio.run(move())


def migrate_store(place: str, *, check: bool) -> int:
    """Migrate the schema of a store; with `check`, only return 1 if that is necessary."""

    async def migrate() -> int:
        from runtime.stores.migrations import VERSIONS

        store = _make_store(place)
        version = await store.schema_version()
        if version == VERSIONS[-1]:
            print(f"the schema is current (version {version})")
            return 0
        pending = VERSIONS[VERSIONS.index(version) + 1 :] if version else VERSIONS
        if check:
            print(f"the schema has version {version or 'none'}; pending: {', '.join(pending)}")
            return 1
        await store.open()
        try:
            await store.record("migrate", "", f"{version or 'none'} to {VERSIONS[-1]}")
        finally:
            await store.close()
        print(f"migrated the schema from version {version or 'none'} to {VERSIONS[-1]}")
        return 0

    return asyncio.run(migrate())


def encrypt_store(path: Path, *, rewrite: bool) -> int:
    """Encrypt everything with the first key of `store.encrypt` that is not encrypted with it."""

    async def work(data: ProjectData) -> int:
        from runtime.stores.encrypted_files import EncryptedFileStore
        from runtime.stores.sql import SqlStore
        from runtime.stores.store import StoreError

        if not isinstance(data.store, SqlStore):
            raise StoreError("only a store in SQLite or PostgreSQL can be encrypted")
        rows, files, unreadable = await data.store.encrypt_again(_show_progress), 0, 0
        if isinstance(data.files, EncryptedFileStore):
            async for key in data.files.list_before("files", datetime.now(UTC) + timedelta(days=1)):
                try:
                    files += await data.files.encrypt_again(key)
                except StoreError as error:
                    # Also what a user has uploaded to look like an encrypted file: it must not keep others plain.
                    unreadable += 1
                    _say(f"{key}: {error}")
        text = f"{rows} rows and {files} files"
        await data.record("encrypt", "", text)
        if rewrite:
            _say(_REWRITING)
            await data.store.rewrite()
        print(f"encrypted {text} with the first key")
        if unreadable:
            _say(
                f"{unreadable} files look encrypted, and no key of `store.encrypt` decrypts them: they stay as they are"
            )
        return 1 if unreadable else 0

    return asyncio.run(_with_data(path, work))


def print_audit_log(path: Path) -> int:
    """Print the audit log as JSON Lines."""

    async def work(data: ProjectData) -> int:
        from runtime.stores.sql import SqlStore
        from runtime.stores.store import StoreError

        if not isinstance(data.store, SqlStore):
            raise StoreError("only a store in SQLite or PostgreSQL has an audit log")
        for entry in await data.store.audit_log():
            print(json.dumps({**asdict(entry), "at": entry.at.isoformat()}))
        return 0

    return asyncio.run(_with_data(path, work))


def print_new_key() -> int:
    """Print a new key for `store.encrypt`."""
    from runtime.stores.cipher import new_key

    print(new_key())
    return 0


async def _with_data(path: Path, work: Callable[[ProjectData], Awaitable[int]]) -> int:
    async with _open_project(path) as data:
        return await work(data)


@asynccontextmanager
async def _open_project(path: Path) -> AsyncIterator[ProjectData]:
    """Open the stores of a project. Its Python runs only for a store of its own. Raise ConfigError, StoreError."""
    from runtime.stores import open_declared_store

    loaded = load_project(path, unset="error")
    if loaded.config is None or has_errors(loaded.diagnostics):
        print_problems(loaded)
        raise ConfigError(())
    declared = loaded.config.store
    if not isinstance(declared, UrlStore):
        from runtime.server.runtime import load

        runtime = load(path)
        await runtime.open()
        try:
            uploads = runtime.generation.uploads
            yield ProjectData(runtime.store, None if uploads is None else uploads.files)
        finally:
            await runtime.close()
        return
    store = open_declared_store(declared, loaded.root)
    await store.open()
    try:
        yield ProjectData(store, _files_of(loaded))
    finally:
        await store.close()


def _files_of(loaded: Any) -> FileStore | None:
    from runtime.stores.encrypted_files import open_file_store

    declared = loaded.config.chat.attachments
    if declared is None:
        return None
    return open_file_store(declared.store, loaded.root, declared.options, loaded.config.store.encrypt or ())


@asynccontextmanager
async def _sql_store(place: str) -> AsyncIterator[SqlStore]:
    store = _make_store(place)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _make_store(place: str) -> SqlStore:
    """Return the store of a URL, in which `${NAME}` is a variable of the environment, or of a project's path."""
    from runtime.stores import open_declared_store, open_store
    from runtime.stores.sql import SqlStore
    from runtime.stores.store import StoreError

    if _URL.match(place):
        store = open_store(_VARIABLE.sub(_variable, place))
    else:
        loaded = load_project(Path(place), unset="error")
        if loaded.config is None or has_errors(loaded.diagnostics):
            print_problems(loaded)
            raise ConfigError(())
        declared = loaded.config.store
        if not isinstance(declared, UrlStore):
            raise StoreError("the project has a store of its own, whose schema it manages itself")
        store = open_declared_store(declared, loaded.root)
    if not isinstance(store, SqlStore):
        raise StoreError(f"{_shown(place)} has no database (use SQLite or PostgreSQL)")
    return store


def _variable(match: re.Match[str]) -> str:
    value = os.environ.get(match[1])
    if value is None:
        raise UsageError(f"the environment variable {match[1]!r} is not set")
    return value


def _shown(place: str) -> str:
    from runtime.config.secrets.mask import mask

    return repr(mask(place))


async def _everything_of(data: ProjectData, user: str, folder: Path) -> AsyncIterator[dict[str, Any]]:
    """Yield a line for each thread, item, rating, attachment and count of tokens; write the files to `folder`."""
    store = data.store
    async for thread in store.iterate_threads(user):
        yield {"type": "thread", "thread": _json(thread)}
        async for item in store.iterate_items(user, thread.id):
            yield {"type": "item", "thread_id": thread.id, "item": _json(item)}
        for item_id, kind in sorted((await store.load_feedback(user, thread.id)).items()):
            yield {"type": "feedback", "thread_id": thread.id, "item_id": item_id, "kind": kind}
    for attachment in await store.list_attachments(user):
        name = None if data.files is None else await _export_file(data.files, user, attachment, folder)
        yield {"type": "attachment", "attachment": _json(attachment), "file": name}
    for entry in await store.list_usage(date.min):
        if entry.owner == user:
            yield {"type": "usage", **entry.as_data()}


async def _export_file(files: FileStore, user: str, attachment: Any, folder: Path) -> str | None:
    from chatkit.store import NotFoundError

    from runtime.server.attachments.file_keys import clean_name, file_key

    try:
        content = await files.read(file_key(user, attachment.id))
    except NotFoundError:
        return None
    name = _short(f"{attachment.id}-{clean_name(attachment.name)}")
    _write(folder / name, content)
    return f"{folder.name}/{name}"


def _short(name: str) -> str:
    """Return a file's name within the bytes that every file system allows, with its suffix."""
    suffix = Path(name).suffix.encode()
    kept, end = name.encode(), suffix if len(suffix) < _LONGEST_SUFFIX else b""
    return name if len(kept) <= _LONGEST_NAME else (kept[: _LONGEST_NAME - len(end)] + end).decode(errors="ignore")


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_bytes(content)


async def _delete_files(files: FileStore, user: str) -> None:
    """Delete all files of a user, also those that no thread names any more, and uploads of anybody that were killed."""
    from runtime.server.attachments.file_keys import owner_folder

    async for key in files.list_before(owner_folder(user), datetime.now(UTC) + timedelta(days=1)):
        await files.delete(key)
    await files.delete_abandoned()


def _json(model: Any) -> Any:
    return to_jsonable_python(model, exclude_none=True)


def _counts(counts: dict[str, int]) -> str:
    """Return `2 threads, 1 item`."""
    names = {"feedback": "rating", "usage": "count of tokens"}
    named = {names.get(kind, kind): count for kind, count in counts.items() if count}
    texts = [f"{count} {name if count == 1 else _PLURALS.get(name, f'{name}s')}" for name, count in named.items()]
    return ", ".join(texts) or "nothing"


def _confirm(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("deletion needs a confirmation (pass --yes to skip the question)")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _show_progress(table: str, rows: int) -> None:
    if rows:
        _say(f"{table}: {rows:,} rows")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
