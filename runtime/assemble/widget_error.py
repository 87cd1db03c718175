"""What goes wrong with widgets: one error for one widget, and one that collects them all."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.assemble.problems import BuildError


class WidgetError(BuildError):
    """A widget that can't be built or rendered: `widget` is its name, `message` says what and where."""

    def __init__(self, widget: str, message: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(message, hint, code=code)
        self.widget = widget

    def __str__(self) -> str:
        return f"widget {self.widget!r}: {self.in_words}"

    @property
    def in_words(self) -> str:
        """The message, and the way out."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class WidgetBuildError(Exception):
    """Every mistake in the `widgets` section: `errors` holds a name and a message for each, in the file's order."""

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self.errors = list(errors)
        super().__init__("\n".join(f"widget {name!r}: {message}" for name, message in self.errors))
