"""Variables as other systems write them: `$NAME`, `{{ env.NAME }}`, `${{ secrets.NAME }}`, `os.environ[...]`."""

from __future__ import annotations

import functools
import re

_NAME = "[A-Z_][A-Z0-9_]*"
_ANY = "[A-Za-z_][A-Za-z0-9_]*"
_FORMS = (
    # GitHub and GitLab; Ansible, dbt, n8n and Helm; LiteLLM; Python; Node; PowerShell; make and Kubernetes; Windows.
    rf"\$\{{\{{\s*(?:\w+\.)?({_ANY})\s*\}}\}}",
    rf"\{{\{{\s*\$?\.?(?:env|ENV|[eE]nviron|secrets?|vars?|os\.environ|process\.env)"
    rf"(?:\.|\[['\"]|\(['\"])({_ANY})\b[^{{}}]*\}}\}}",
    rf"\{{\{{\s*(?:env_var|lookup\(\s*['\"]env['\"]\s*,\s*|get_env|getenv)\(?\s*['\"]({_ANY})['\"][^{{}}]*\}}\}}",
    rf"\{{\{{\s*({_NAME})\s*\}}\}}",
    rf"os\.environ/({_ANY})",
    rf"(?:os\.)?environ(?:\[|\.get\()['\"]({_ANY})['\"][^)\]]*[)\]]",
    rf"(?:os\.)?getenv\(['\"]({_ANY})['\"][^)]*\)",
    rf"process\.env(?:\.|\[['\"])({_ANY})(?:['\"]\])?",
    rf"\$[eE]nv:({_ANY})",
    rf"\{{env:({_ANY})\}}",
    rf"\b(?:env|ENV)[:.]({_NAME})",
    rf"\$\(({_NAME})\)",
    rf"%({_NAME})%",
    rf"\$({_NAME})",
)
_BARE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN|SECRET|PASSWORD|PAT)")
_MARKS = ("$", "%", "{{", "env", "ENV", "environ")


def as_variable(text: str) -> str | None:
    """Return a text that is a variable of another system, after `Bearer` or alone, as it is written here; else None."""
    if not any(mark in text for mark in _MARKS):
        return None
    match = _whole().fullmatch(text.strip())
    if match is None:
        return None
    name = next(group for group in match.groups()[1:] if group)
    return f"{match['scheme'] or ''}${{{name}}}"


def in_address(text: str) -> tuple[str, str] | None:
    """Return the first variable of another system in an address, and how it is written here; None if it has none."""
    match = _in_address().search(text) if any(mark in text for mark in _MARKS) else None
    if match is None:
        return None
    return match[0], f"${{{next(filter(None, match.groups()))}}}"


# Compiled when a text needs them, which takes 5 ms each.


@functools.cache
def _whole() -> re.Pattern[str]:
    return re.compile(rf"(?P<scheme>(?:Bearer|Basic|Token|ApiKey)\s+)?(?:{'|'.join(_FORMS)})\s*", re.DOTALL)


@functools.cache
def _in_address() -> re.Pattern[str]:
    return re.compile(rf"(?<=[/:@.=])(?:{'|'.join(_FORMS)})(?=[/:@.?&]|$)")


def bare_name(text: str) -> str | None:
    """Return a text that is the name of a variable for a secret, such as `OPENAI_API_KEY`; else None."""
    return text if _BARE.fullmatch(text) else None
