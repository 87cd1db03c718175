"""Modules beside agents.yaml that hide an installed package from Python programs that start there.

Python searches the folder of a program first. A project's own `runtime/` is then what `from runtime import create_app`
finds, and nothing of this package runs that could say so: the commands say it beforehand.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from runtime.diagnostics.diagnostic import Diagnostic, Place

_PACKAGES = ("agents", "chatkit", "openai", "runtime")
_OURS = Path(__file__).parents[2]


def find_hidden_packages(root: Path, file: str, skipped: Collection[str] = ()) -> Iterator[Diagnostic]:
    """Yield a warning (A322) at `file` for each module in `root` that hides a package, except those in `skipped`."""
    for name in _PACKAGES:
        paths = [path for path in (root / name / "__init__.py", root / f"{name}.py") if path.is_file()]
        if name in skipped or not paths or paths[0].parent.resolve() == _OURS:
            continue
        found = paths[0].relative_to(root).as_posix()
        message = f"{found!r} hides the installed package {name!r} from programs that start in this folder"
        hint = f"rename {name + '/' if paths[0].parent != root else found}"
        if name == "runtime":
            hint += ": there, 'from runtime import create_app' imports it"
        yield Diagnostic("A322", message, Place(file), "warning", hint)


def explain_import_error(error: ImportError | AttributeError) -> str:
    """Return a message that names the file that hides the package an import failed in, or an empty string."""
    module = error.name if isinstance(error, ImportError) else getattr(error.obj, "__name__", None)
    package = (module or "").partition(".")[0]
    file = getattr(sys.modules.get(package), "__file__", None)
    if file is None:
        return ""
    # It imports the package email, which `validate` does not need.
    from importlib import metadata

    for distribution in metadata.packages_distributions().get(package, []):
        installed = Path(str(metadata.distribution(distribution).locate_file(f"{package}/__init__.py")))
        if installed.is_file() and not installed.samefile(file):
            return f"{file!r} hides the installed package {package!r}, which 'runtime' imports (rename it)"
    return ""
