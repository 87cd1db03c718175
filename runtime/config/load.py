"""Loads a project folder: its `Config`, or every diagnostic that prevents one. The only entry point.

Loading runs no code of the project and does not change the process: the environment is read, never written.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from runtime.config.cross_checks import check_config
from runtime.config.includes import PROFILE_VARIABLE, add_included, apply_profile
from runtime.config.model import Config
from runtime.config.project_files import ProjectFiles
from runtime.config.recovery import RecoveredConfig, recover_config
from runtime.config.schema import MAIN_ONLY
from runtime.config.secrets.detect import WrittenSecret, find_secrets, written_secrets
from runtime.config.secrets.mask import (
    STARS,
    MaskedTexts,
    guess_secrets,
    mask_config_source,
    mask_diagnostics,
    mask_source,
    redact,
)
from runtime.config.shape_errors import build_config
from runtime.diagnostics.diagnostic import Diagnostic, Place, has_errors, join_causes
from runtime.diagnostics.key_path import KeyPath, path_text, value_at
from runtime.documents.document import Places, Source, decode_text, read_yaml
from runtime.documents.variables import Interpolation, interpolate
from runtime.resources.gc_policy import collector_paused

CONFIG_FILE = "agents.yaml"
ENV_FILE = ".env"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProject:
    """The result of loading a project folder.

    `config` is None exactly when one of the sorted `diagnostics` is an error. `sources` are the texts of the files that
    were read, by their path from `root`, with secrets replaced by stars. `hash` is the SHA-256 over all files that were
    read, `.env` included, in hex. `places` maps key paths to places in the files; `environ` are the variables, those of
    `.env` included. `files` holds the bytes of every file that was read, for the build. `recovered` is the config for
    further checks, also if `config` is None; `filled` is the data that it was built from. `secrets` are the texts that
    no output may contain. `declared` is the file with its included files, before the selected `profile` was applied.
    """

    config: Config | None
    diagnostics: tuple[Diagnostic, ...]
    root: Path
    file: Path
    sources: Mapping[str, str]
    hash: str
    places: Places = field(repr=False, compare=False)
    environ: Mapping[str, str] = field(repr=False)
    files: ProjectFiles = field(repr=False, compare=False)
    filled: Interpolation | None = field(default=None, repr=False, compare=False)
    recovered: RecoveredConfig = field(default=RecoveredConfig(), repr=False, compare=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    declared: Source = field(repr=False, compare=False)
    profile: str | None = None

    def place_in_text(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) in the text at `path`, as exactly as the file shows it."""
        path = self.places.written(path)
        is_filled = self.filled is not None and path in self.filled.strings
        # With a variable substituted, positions in the text are not those in the file.
        return self.places.value(path) if is_filled else self.places.inside(path, line, column)


def load_config(
    project: Path,
    *,
    environ: Mapping[str, str] | None = None,
    unset: Literal["warning", "error"] = "warning",
    files: ProjectFiles | None = None,
) -> LoadedProject:
    """Read and check agents.yaml (`project` is its folder or the file); mistakes are returned, never raised.

    `environ` replaces the process's environment; `unset` is the severity of a variable without value and default.
    `files` replace the disk, such as those of an earlier load; their root is the project folder.
    """
    with collector_paused():
        is_folder = project.is_dir() or (files is not None and project == files.root)
        file = project / CONFIG_FILE if is_folder else project
        # A relative root would change with the process's working folder.
        files = files or ProjectFiles(file.parent.absolute())
        variables = os.environ if environ is None else environ
        text = _read_config_text(files, file)
        if isinstance(text, Diagnostic):
            unread = Source(file.name, "", None, Places(file.name), (text,))
            return _check(file, unread, None, variables, unset, files, [])
        variables, env_problems = _environment(files, variables)
        declared = add_included(read_yaml(text, file.name), files, variables)
        return _check(file, declared, variables.get(PROFILE_VARIABLE) or None, variables, unset, files, env_problems)


def other_profiles(loaded: LoadedProject) -> list[str]:
    """Return the names of all profiles if none was selected; an empty list otherwise."""
    source = loaded.declared
    if loaded.profile is not None or has_errors(source.diagnostics):
        return []
    profiles = source.data.get("profiles") if isinstance(source.data, dict) else None
    return list(profiles) if isinstance(profiles, dict) else []


def with_profile(loaded: LoadedProject, name: str) -> LoadedProject:
    """Return the same project with one of its `other_profiles` applied; no file is read again."""
    with collector_paused():
        return _check(loaded.file, loaded.declared, name, loaded.environ, "warning", loaded.files, [])


def _check(
    file: Path,
    declared: Source,
    profile: str | None,
    variables: Mapping[str, str],
    unset: Literal["warning", "error"],
    files: ProjectFiles,
    env_problems: Sequence[Diagnostic],
) -> LoadedProject:
    recovered, filled = RecoveredConfig(), None
    source = declared if profile is None else apply_profile(declared, profile)
    read = Interpolation(source)
    diagnostics = list(source.diagnostics)
    if not has_errors(diagnostics):
        filled = interpolate(source, variables, unset)
        filled, recovered, problems = _build_and_check(filled, files)
        diagnostics += [*env_problems, *filled.diagnostics, *problems]
    written = written_secrets(filled or read)
    secrets = find_secrets(filled or read, variables, written)
    if has_errors(source.diagnostics):
        secrets = secrets.union(*map(guess_secrets, source.texts.values()))
    return LoadedProject(
        config=None if has_errors(diagnostics) else recovered.config,
        diagnostics=tuple(mask_diagnostics(join_causes(diagnostics), secrets)),
        root=file.parent,
        file=file,
        sources=_masked_texts(files, filled or read, written, secrets),
        hash=files.hash(),
        places=source.places,
        environ=variables,
        files=files,
        filled=filled,
        recovered=recovered,
        secrets=secrets,
        declared=declared,
        profile=profile,
    )


def _masked_texts(
    files: ProjectFiles, read: Interpolation, written: Sequence[WrittenSecret], secrets: frozenset[str]
) -> Mapping[str, str]:
    def cover(name: str, text: str) -> str:
        if name in read.source.texts:
            return mask_config_source(read, name, written, secrets)
        return mask_source(text, secrets)

    return MaskedTexts(files.texts, cover)


def _read_config_text(files: ProjectFiles, file: Path) -> str | Diagnostic:
    # The user names this file on the command line, so it may be a link to anywhere.
    content = files.read_bytes(file.name, linked=True)
    if isinstance(content, Diagnostic):
        if files.given is None and (files.root / file.name).is_dir():
            content = replace(content, code="A002", message=f"can't read {file.name!r}: it is a folder")
        elif content.code == "A230":
            message = f"there is no {file.name!r} in {str(file.parent)!r}"
            content = replace(content, code="A001", message=message, hint="write one with 'chatkit-runtime init'")
        return content
    text = decode_text(content, file.name)
    if isinstance(text, str):
        files.texts[file.name] = text
    return text


def _environment(files: ProjectFiles, environ: Mapping[str, str]) -> tuple[Mapping[str, str], list[Diagnostic]]:
    """Return the variables of `.env` and of the process, which take precedence."""
    content = files.read_bytes(ENV_FILE, linked=True)
    if isinstance(content, Diagnostic):
        return environ, [replace(content, code="A502")] if content.code == "A002" else []
    text = decode_text(content, ENV_FILE)
    if isinstance(text, Diagnostic):
        return environ, [text]
    declared, problems = _read_env(text)
    return declared | dict(environ), problems


def _read_env(text: str) -> tuple[dict[str, str], list[Diagnostic]]:
    """Parse `NAME=value` lines; a malformed line is a warning that does not quote it: it may hold a secret."""
    from dotenv.parser import parse_stream

    declared: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            place = Place(ENV_FILE, binding.original.line, 1)
            problems.append(Diagnostic("A502", "this line is not 'NAME=value'", place, "warning"))
        elif binding.key is not None and binding.value is not None:
            declared[binding.key] = binding.value
    return declared, problems


def _build_and_check(
    filled: Interpolation, files: ProjectFiles
) -> tuple[Interpolation, RecoveredConfig, list[Diagnostic]]:
    """Return the data with misspelt keys renamed, the config of what is right in it, and all diagnostics."""
    built = build_config(filled)
    if built.config is not None:
        return filled, RecoveredConfig(built.config), check_config(built.config, filled, files)
    # Imported here: a correct file is ours.
    from runtime.config.foreign_files import recognise

    if foreign := recognise(filled.source):
        return filled, RecoveredConfig(), [foreign]
    recovered = recover_config(built.mended.source.data)
    diagnostics = built.diagnostics
    if recovered.config is not None:
        rest = replace(built.mended, source=replace(built.mended.source, data=recovered.data))
        found = check_config(recovered.config, rest, files)
        diagnostics = [*diagnostics, *(each for each in found if recovered.applies(each))]
    return built.mended, recovered, diagnostics


@dataclass(frozen=True, slots=True)
class Origin:
    """One value, secrets masked, with the variables that it contains; without a `place` it is a default."""

    path: str
    value: Any
    place: Place | None = None
    profile: str | None = None
    variables: tuple[str, ...] = ()


def resolve_config(loaded: LoadedProject) -> dict[str, Any]:
    """Return the config as plain data with defaults and with secrets masked. Raise ValueError if it has errors."""
    if loaded.config is None:
        raise ValueError("a config with errors can't be resolved")
    data = redact(loaded.config, loaded.secrets)
    return {key: value for key, value in data.items() if key not in MAIN_ONLY}


def find_origins(loaded: LoadedProject) -> Iterator[Origin]:
    """Yield the origin of every value of the config, in the order of `resolve_config`, without empty defaults."""
    for path, value in _leaves(resolve_config(loaded), ()):
        at = _written_at(loaded, path, value)
        if at is not None:
            yield _origin(loaded, path, at, value)
        elif value not in ({}, []):
            yield Origin(path_text(path), value)


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items:
        yield path, value
    for step, part in items:
        yield from _leaves(part, (*path, step))


def _written_at(loaded: LoadedProject, path: KeyPath, value: Any) -> KeyPath | None:
    """Return the key path where a value is written: its own, that of its short form, or that in `defaults`."""
    places = loaded.places
    written = places.written(path)
    if written == path:
        return path
    short = value_at(loaded.filled.source.data, written) if loaded.filled is not None else None
    if len(written) == len(path) - 1 and not isinstance(short, (dict, list)) and value in (short, STARS):
        return written
    if path[0] == "agents" and len(path) > 2:
        default = ("defaults", *path[2:])
        return default if places.written(default) == default else None
    return None


def _origin(loaded: LoadedProject, path: KeyPath, at: KeyPath, value: Any) -> Origin:
    over = ("profiles", loaded.profile, *at) if loaded.profile else ()
    profile = loaded.profile if over and loaded.places.written(over) == over else None
    string = loaded.filled.strings.get(at) if loaded.filled is not None else None
    return Origin(path_text(path), value, loaded.places.value(at), profile, string.names if string else ())


def variable_source(name: str, loaded: LoadedProject, environ: Mapping[str, str]) -> str:
    """Return where a variable is set: `environment` (the process's, `environ`), `.env`, or `default`."""
    if name in environ:
        return "environment"
    return ".env" if name in loaded.environ else "default"
