"""The verb `show`: the config as the runtime sees it, without its secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from runtime.cli.project import load_project, report


def show_project(path: Path, *, output: Literal["yaml", "json"]) -> int:
    """Print the resolved config with its secrets hidden; 1 when it has errors."""
    loaded = load_project(path)
    report(loaded)
    if loaded.config is None:
        return 1
    from runtime.cli.serve import offline_models
    from runtime.config.redact import redact

    data = redact(loaded.config, loaded.secrets)
    if output == "json":
        print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        for words in offline_models(loaded, loaded.config).values():
            print(f"# {words}")
        _print_yaml(data)
    return 0


def _print_yaml(data: dict[str, Any]) -> None:
    import yaml

    print(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110), end="")
