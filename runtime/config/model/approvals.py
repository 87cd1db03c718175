"""The key `needs_approval` of a tool: when the user is asked before a call is carried out, and in which words."""

from __future__ import annotations

from pydantic import Field

from runtime.config.model.types import ImportPath, Section


class Approval(Section):
    """When the user is asked before a call, and in which words. The texts are templates over `args`."""

    when: bool | str = True
    """Whether to ask: true, or a template over `args` that is one expression. Where it can't be told, we ask."""
    python: ImportPath | None = None
    """A function `(ctx, args)`, sync or async, that says whether to ask, in place of `when`."""
    title: str | None = Field(None, min_length=1)
    """What the card says; the tool's name when left out."""
    text: str | None = Field(None, min_length=1)
    """A line below the title, as Markdown; the arguments when left out."""
    approve: str = Field("Approve", min_length=1)
    """The button that lets the call be carried out."""
    deny: str = Field("Deny", min_length=1)
    """The button that does not."""
    rejection: str = Field("The user did not allow this call.", min_length=1)
    """What the model is told of a call that was denied, or that the user went past."""


NeedsApproval = bool | str | Approval


def approval_of(declared: NeedsApproval | list[str]) -> Approval | None:
    """Return the long form of what was declared; None where nobody is ever asked, and for the tools of a server."""
    if isinstance(declared, list):
        return None
    if isinstance(declared, Approval):
        return declared if declared.python is not None or declared.when is not False else None
    return None if declared is False else Approval(when=declared)
