"""Names that the project imports from the two SDKs, looked up in the installed packages, of which none is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from runtime.diagnostics.wording import join_or, quote, suggest
from runtime.static_analysis.module import ModuleFinder, Modules
from runtime.static_analysis.resolver import Missing, Resolver

SDKS = frozenset({"agents", "chatkit"})
"""The packages that move their names between releases; both are always installed."""
_MAX_SHOWN = 3
# How a module may define names that its text does not contain.
_MAKES_NAMES = (b"import_module", b"__import__", b"globals().update", b"setattr(")


def is_of_sdk(module: str, finder: ModuleFinder) -> bool:
    """Return whether a module belongs to an SDK, and not to a project with a package of that name."""
    return module.partition(".")[0] in SDKS and not finder.knows(module)


def missing_in_sdk(resolver: Resolver, module: str, name: str) -> Missing | None:
    """Return what is known of a name that a module of an SDK does not have; None if it has it, or may have it."""
    location = resolver.modules.finder.find(module)
    if location is None or location.path is None or name == "*":
        return None
    # Most names are there: a search of the text is a tenth of the work of parsing it.
    if _mentions(location.path, name) or resolver.modules.finder.find(f"{module}.{name}") is not None:
        return None
    found = resolver.modules.get(module)
    if found is None or found.tree is None:
        return None
    if not found.names.stars and not any(mark in found.text for mark in _MAKES_NAMES):
        # Also where the module has a __getattr__, which names what it provides.
        return Missing(f"module {module!r}", name, [known for known in found.names.bound if not known.startswith("_")])
    resolution = resolver.resolve_name(found, name)
    return resolution if isinstance(resolution, Missing) else None


def hint_sdk_name(name: str, known: Missing, modules: Modules) -> str:
    """Return the modules of the SDKs that define a name now, or a similar name; empty if there is none."""
    places = sorted(_defining(name, modules), key=lambda module: (module.count("."), module))
    if places:
        return f"this release has it in {join_or(quote(places[:_MAX_SHOWN]))}"
    return suggest(name, known.known)


def _defining(name: str, modules: Modules) -> Iterator[str]:
    definition = re.compile(rf"^(?:class|def|async def) {re.escape(name)}\b|^{re.escape(name)}\b\s*[:=]", re.MULTILINE)
    for sdk in sorted(SDKS):
        location = modules.finder.find(sdk)
        root = None if location is None or location.path is None else location.path.parent
        for file in sorted(root.rglob("*.py")) if root is not None else ():
            parts = file.relative_to(root.parent).with_suffix("").parts if root is not None else ()
            if any(part.startswith("_") and part != "__init__" for part in parts):
                continue
            if _mentions(file, name) and definition.search(file.read_text(encoding="utf-8", errors="replace")):
                yield ".".join(part for part in parts if part != "__init__")


def _mentions(file: Path, name: str) -> bool:
    try:
        return re.search(rb"\b%b\b" % re.escape(name.encode()), file.read_bytes()) is not None
    except OSError:
        return True
