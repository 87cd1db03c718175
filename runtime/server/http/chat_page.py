"""The chat page at `/` (`server.page`): for people, and the same for everybody, so that it needs no login itself."""

from __future__ import annotations

import json
from html import escape

from runtime.config.model import Config
from runtime.config.model.auth import BearerAuth, JwtAuth
from runtime.server.http.client_files import PAGE, ClientFile, built_files, policy_header

_SETTINGS = '<meta name="chatkit-page" content="{}">'
"""The place in the built page where its settings are written."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    **policy_header(_POLICY),
}


def chat_page(config: Config, has_local_user: bool) -> ClientFile | None:
    """Return the page of a project; None without a build. It says how users log in, and nothing else of the project.

    Its addresses are relative: it may lie below the prefix of a mount, or of a proxy.
    """
    built = built_files().get(PAGE)
    if built is None:
        return None
    base = f".{config.server.path.rstrip('/')}"
    settings = json.dumps({"url": base, "login": _login(config, has_local_user)}, ensure_ascii=False)
    text = built.decode().replace('="./', f'="{base}/').replace(_SETTINGS, _SETTINGS.replace("{}", escape(settings)))
    return ClientFile(text.encode(), "html", _HEADERS)


def _login(config: Config, has_local_user: bool) -> dict[str, str]:
    page = config.server.chat_page
    if has_local_user:
        return {"kind": "none"}
    if page is not None and page.login is not None:
        return {"kind": "redirect", "url": page.login, "parameter": page.return_parameter}
    return {"kind": "token" if isinstance(config.auth, BearerAuth | JwtAuth) else "proxy"}
