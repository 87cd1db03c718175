"""A second name of the package `runtime`, for projects that have a module `runtime` of their own.

Python imports the first `runtime` that it finds, so a project's own one hides the installed package, and
`from runtime import create_app` raises an ImportError that does not say why. No project has a `chatkit_runtime`:
`from chatkit_runtime import create_app` imports the same names, or raises an ImportError that says what collides.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime import *  # noqa: F403

_PARENT = Path(__file__).resolve().parent.parent
_PACKAGE = _PARENT / "runtime" / "__init__.py"


def __getattr__(name: str) -> Any:
    """Return a public name of `runtime`; raise ImportError if another module has its name."""
    if name.startswith("__") and name != "__version__":
        raise AttributeError(f"module 'chatkit_runtime' has no attribute {name!r}")
    if collision := _collision():
        raise ImportError(
            f"{collision!r} hides the package 'runtime' of chatkit-runtime (rename it, or remove its folder from "
            "PYTHONPATH)"
        )
    import runtime

    return getattr(runtime, name)


def main() -> int:
    """Run the command `chatkit-runtime` with `sys.argv` and return its exit code, whatever hides the package."""
    if _collision():
        spec = PathFinder.find_spec("runtime", [str(_PARENT)])
        assert spec is not None
        assert spec.loader is not None
        sys.modules["runtime"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["runtime"])
    from runtime.__main__ import main as run

    return run()


def _collision() -> str:
    """Return the file or folder that is imported as `runtime` in place of the package, or an empty string."""
    spec = find_spec("runtime")
    if spec is None or spec.origin is None or Path(spec.origin).resolve() == _PACKAGE:
        return ""
    return spec.origin
