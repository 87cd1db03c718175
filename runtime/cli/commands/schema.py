"""The verb `schema`: print or write the JSON Schema of agents.yaml, or of a part of it, for editors and linters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from runtime.cli.display import display_path
from runtime.config.schema import SCHEMA_FILE, included_schema, profile_schema
from runtime.errors import UsageError

Of = Literal["agents", "included", "profile"]


def schema_text(of: Of = "agents") -> str:
    """Return the schema as JSON text."""
    if of == "agents":
        return SCHEMA_FILE.read_text(encoding="utf-8")
    schema = included_schema() if of == "included" else profile_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schema(target: Path | None, of: Of) -> int:
    """Print the schema, or write it to the file `target`, or as `{of}.schema.json` into the folder `target`."""
    if target is None:
        print(schema_text(of), end="")
        return 0
    file = target / f"{of}.schema.json" if target.is_dir() else target
    try:
        file.write_text(schema_text(of), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {str(file)!r}: {error.strerror}") from error
    print(f"wrote {display_path(file)}")
    return 0
