"""A declarative, YAML-configured agent runtime: agents.yaml in, a ChatKit server out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.assemble.context import RuntimeContext
    from runtime.assemble.token_meter import METERED
    from runtime.auth.user import User, current_user
    from runtime.autoreload.autoreload import autoreloading, enable_autoreload
    from runtime.errors import ConfigError, RequestError, RuntimeFault
    from runtime.server.app import create_app
    from runtime.server.generations.reloader import ReloadOutcome
    from runtime.server.runtime import Runtime, load

__version__ = "0.1.0"

__all__ = [
    "METERED",
    "ConfigError",
    "ReloadOutcome",
    "RequestError",
    "Runtime",
    "RuntimeContext",
    "RuntimeFault",
    "User",
    "__version__",
    "autoreloading",
    "create_app",
    "current_user",
    "enable_autoreload",
    "load",
]

_HOMES = {
    "METERED": "runtime.assemble.token_meter",
    "ConfigError": "runtime.errors",
    "ReloadOutcome": "runtime.server.generations.reloader",
    "RequestError": "runtime.errors",
    "Runtime": "runtime.server.runtime",
    "RuntimeContext": "runtime.assemble.context",
    "RuntimeFault": "runtime.errors",
    "User": "runtime.auth.user",
    "autoreloading": "runtime.autoreload.autoreload",
    "create_app": "runtime.server.app",
    "current_user": "runtime.auth.user",
    "enable_autoreload": "runtime.autoreload.autoreload",
    "load": "runtime.server.runtime",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: `chatkit-runtime validate` must not import the server."""
    if name not in _HOMES:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    from importlib import import_module

    try:
        value = getattr(import_module(_HOMES[name]), name)
    except (ImportError, AttributeError) as error:
        from runtime.validation.python.hidden_packages import explain_import_error

        if explanation := explain_import_error(error):
            raise ImportError(explanation, name=error.name) from error
        raise
    globals()[name] = value
    return value
