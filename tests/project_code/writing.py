"""Modules of a project, written into a folder."""

from __future__ import annotations

from pathlib import Path


def write_modules(root: Path, **files: str) -> Path:
    """Write modules, named as keywords with `__` for `/`: `app__init` is app/__init__.py."""
    for key, text in files.items():
        path = root / (key.replace("__", "/") + ".py").replace("/init.py", "/__init__.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
