"""Build a generation from the project's source, and report what can't be built as diagnostics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from runtime.assemble.problems import Problem
from runtime.assemble.project import ProjectBuildError, Snapshot, build
from runtime.config.model.server import PythonStore
from runtime.config.secrets.mask import mask_diagnostics
from runtime.diagnostics.diagnostic import Diagnostic, Place, sort_diagnostics
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.errors import ConfigError, RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Share
from runtime.resources.token_usage import UsageTable
from runtime.server.attachments import Uploads
from runtime.server.generations.generation import Generation, MakeApp, SharedStore
from runtime.server.generations.project_source import ProjectSource
from runtime.server.history.converter import build_converter
from runtime.stores import open_store
from runtime.stores.blobs import open_file_store
from runtime.stores.chatkit_adapter import ChatKitStoreAdapter
from runtime.stores.store import ThreadStore

_RELATIVE_SQLITE = "sqlite:///"
# These codes are about an import path rather than about the entry that contains it.
_IMPORT_PATH_CODES = {"A320", "A321", "A324"}
_IMPORT_PATH_KEYS = ("python", "factory")


def build_generation(source: ProjectSource, share: Share, before: Generation | None, make_app: MakeApp) -> Generation:
    """Build a source that has a configuration. Raise ConfigError; the caller then releases `share`.

    `before` is the current generation. While the project's Python is unchanged, its modules and their globals are
    reused.
    """
    if before is not None and not before.closed and before.snapshot.code.hash == source.code.hash:
        code = before.snapshot.code
    else:
        code = ProjectCode(source.loaded.root, source.code)
    number = 1 if before is None else before.number + 1
    try:
        with code.attempt():
            return _assemble(source, code, share, number, make_app)
    except ProjectBuildError as failed:
        raise ConfigError(to_diagnostics(failed.problems, source)) from failed
    except SystemExit as error:
        raise RuntimeFault(f"the project called sys.exit({error.code!r}) while it was built") from error


def _assemble(source: ProjectSource, code: ProjectCode, share: Share, number: int, make_app: MakeApp) -> Generation:
    loaded = source.loaded
    assert loaded.config is not None
    # Taken first, so released last: objects that the code made are closed before it.
    share.get(("code", code), lambda: code, ProjectCode.discard)
    snapshot = build(loaded.config, loaded.files, code, loaded.environ, share, build_converter)
    store = _shared_store(snapshot, share)
    uploads = _uploads(snapshot, store.store, share)
    return Generation(
        number=number,
        source=source,
        snapshot=snapshot,
        share=share,
        app=make_app(snapshot, uploads),
        uploads=uploads,
        shared_store=store,
    )


def _uploads(snapshot: Snapshot, store: ThreadStore, share: Share) -> Uploads | None:
    declared = snapshot.config.chat.attachments
    if declared is None:
        return None

    def make() -> Uploads:
        return Uploads(declared, store, open_file_store(declared.store, snapshot.root, declared.options))

    return share.get(("uploads", declared.model_dump_json(), id(store)), make, Uploads.close)


def _shared_store(snapshot: Snapshot, share: Share) -> SharedStore:
    declared = snapshot.config.store
    if isinstance(declared, PythonStore):
        own = snapshot.shared.store
        assert own is not None
        usage = share.get(("usage",), UsageTable)
        adapter = partial(ChatKitStoreAdapter, own, lambda owner: {"user_id": owner}, usage)
        # The adapter references `own`, so no other object gets its id while the key is in use.
        return share.get(("adapter", id(own)), lambda: SharedStore(adapter()), SharedStore.close)
    url = declared.url
    if url.startswith(_RELATIVE_SQLITE) and not url.startswith(_RELATIVE_SQLITE + "/"):
        url = _RELATIVE_SQLITE + os.fspath(snapshot.root / url.removeprefix(_RELATIVE_SQLITE))
    return share.get(("threads", url), lambda: SharedStore(open_store(url)), SharedStore.close)


def to_diagnostics(problems: Iterable[Problem], source: ProjectSource) -> list[Diagnostic]:
    """Return the problems as diagnostics in agents.yaml or at a line of Python, masked and sorted by place.

    A broken module gives one diagnostic, however many entries import it.
    """
    diagnostics: list[Diagnostic] = []
    in_python: dict[tuple[str, Place], list[Problem]] = {}
    for problem in problems:
        if problem.place is None:
            diagnostics.append(_in_config(problem, source))
        else:
            in_python.setdefault((problem.code, problem.place), []).append(problem)
    diagnostics += [_in_python(place, same, source) for (_, place), same in in_python.items()]
    return sort_diagnostics(mask_diagnostics(diagnostics, source.loaded.secrets))


def _in_config(problem: Problem, source: ProjectSource) -> Diagnostic:
    places, path = source.loaded.places, problem.path
    if problem.code in _IMPORT_PATH_CODES:
        path = _import_path_key(path, source)
    place, length = places.value(path), places.length(path)
    return Diagnostic(problem.code, problem.message, place, hint=problem.hint, path=path_text(path), length=length)


def _in_python(place: Place, same: Sequence[Problem], source: ProjectSource) -> Diagnostic:
    first, others = same[0], len(same) - 1
    needed_by = str(source.loaded.places.value(first.path))
    if others:
        hint = f"{needed_by} and {others} other place{'s' if others > 1 else ''} need it"
    else:
        hint = f"{needed_by} needs it"
    hint = f"{first.hint}; {hint}" if first.hint else hint
    return Diagnostic(first.code, first.message, place, hint=hint, path=path_text(first.path), length=first.length)


def _import_path_key(path: KeyPath, source: ProjectSource) -> KeyPath:
    """Extend the path of an entry to its key that holds an import path, if it has one."""
    filled = source.loaded.filled
    value: Any = filled.source.data if filled is not None else None
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return path
    if isinstance(value, Mapping):
        return next(((*path, key) for key in _IMPORT_PATH_KEYS if key in value), path)
    return path
