"""The components that validate knows are those of the installed SDK (UPDATE_EXPECTED=1 writes the file anew)."""

from __future__ import annotations

import json
import os
from importlib.resources import files

from tests.widgets.sdk_components import read_components


def test_the_file_of_components_is_what_the_installed_sdk_has() -> None:
    file = files("runtime.widgets") / "components.json"
    text = json.dumps(read_components(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_EXPECTED"):
        with open(str(file), "w", encoding="utf-8") as opened:
            opened.write(text)
    assert file.read_text(encoding="utf-8") == text
