"""The verb `show`: print the resolved config with its secrets masked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runtime.cli.display import display_path
from runtime.cli.project import load_project, print_problems

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject, Origin


def show_project(path: Path, *, output: Literal["yaml", "json"], origins: bool = False) -> int:
    """Print the resolved config, or each value with its origin; return 1 if the config has errors."""
    loaded = load_project(path)
    print_problems(loaded)
    if loaded.config is None:
        return 1
    if origins:
        _print_origins(loaded, output)
        return 0
    from runtime.cli.commands.serve import offline_models
    from runtime.config.load import resolve_config

    data = resolve_config(loaded)
    if output == "json":
        print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        for description in offline_models(loaded, loaded.config).values():
            print(f"# {description}")
        import yaml

        print(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110), end="")
    return 0


def _print_origins(loaded: LoadedProject, output: Literal["yaml", "json"]) -> None:
    from runtime.config.load import find_origins

    all_origins = list(find_origins(loaded))
    if output == "json":
        print(json.dumps([_as_json(origin, loaded) for origin in all_origins], indent=2, ensure_ascii=False))
        return
    for origin in all_origins:
        print(f"{origin.path} = {json.dumps(origin.value, ensure_ascii=False)}  # {_describe(origin, loaded)}")


def _describe(origin: Origin, loaded: LoadedProject) -> str:
    place = origin.place
    if place is None:
        return "default"
    parts = [f"{display_path(loaded.root / place.file)}:{place.line}"]
    if origin.profile is not None:
        parts.append(f"profile {origin.profile}")
    parts += [f"${{{name}}} from {_source(name, loaded)}" for name in dict.fromkeys(origin.variables)]
    return ", ".join(parts)


def _source(name: str, loaded: LoadedProject) -> str:
    from runtime.config.load import variable_source

    source = variable_source(name, loaded, os.environ)
    return {"environment": "the environment", "default": "its default"}.get(source, source)


def _as_json(origin: Origin, loaded: LoadedProject) -> dict[str, Any]:
    from runtime.config.load import variable_source

    place = origin.place
    return {
        "path": origin.path,
        "value": origin.value,
        "file": display_path(loaded.root / place.file) if place is not None else None,
        "line": place.line if place is not None else None,
        "column": place.column if place is not None else None,
        "profile": origin.profile,
        "variables": {name: variable_source(name, loaded, os.environ) for name in origin.variables},
    }
