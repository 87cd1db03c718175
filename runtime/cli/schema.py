"""The verb `schema`: the JSON Schema of agents.yaml, for editors and linters."""

from __future__ import annotations

import json
from pathlib import Path

from runtime.cli.project import display_path
from runtime.errors import UsageError

SCHEMA_FILE = "agents.schema.json"


def schema_text() -> str:
    """The schema as the text of its file."""
    from runtime.config.schema import config_schema

    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


def print_schema() -> int:
    """Print the schema to standard output."""
    print(schema_text(), end="")
    return 0


def write_schema(target: Path) -> int:
    """Write the schema to the file `target`, or into the folder `target` as agents.schema.json."""
    file = target / SCHEMA_FILE if target.is_dir() else target
    try:
        file.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {str(file)!r}: {error.strerror}") from error
    print(f"wrote {display_path(file)}")
    return 0
