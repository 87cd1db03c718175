"""Options of the web component around the thread: the composer's menus, the header, the theme and others.

The names are those of the component's own options, in snake case; `GET /chatkit/options.json` converts them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runtime.config.model.types import Section, ShortFormSection

PAGE_COMPONENT_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$"
PAGE_SOURCE_PATTERN = r"^(/([^/\s;,].*)?|https?://[^\s;,/]+(/[^\s;,]*)?|\$\{.+)$"
ID_PATTERN = r"^[A-Za-z0-9_.:/-]{1,128}$"


class ComposerModel(ShortFormSection, short_key="model"):
    """A model that the user may choose for an answer."""

    model: str = Field(min_length=1)
    """A name of the `models` section, or a model's name at OpenAI. Also the id that the browser sends."""
    label: str | None = None
    """The label in the menu; the name by default."""
    description: str | None = None
    """A line below the label."""
    disabled: bool = False
    """Whether it is shown but can't be chosen; a request with it is rejected."""
    default: bool = False
    """Whether it is chosen at first."""


class ComposerTool(Section):
    """An entry of the composer's tool menu, which the user chooses for the next message."""

    id: str = Field(pattern=ID_PATTERN)
    """The id that the browser sends, and that a route in `entry` matches with `when: {tool: …}`."""
    label: str = Field(min_length=1)
    """The label in the menu."""
    icon: str = "sparkle"
    """An icon of ChatKit, such as `globe`, or of Lucide, such as `lucide:train`."""
    tool: str | None = Field(None, min_length=1)
    """The tool of the answering agent that the model must call first; without it, the choice only selects a route."""
    short_label: str | None = None
    """The label of the button while the tool is chosen."""
    placeholder: str | None = None
    """The placeholder of the composer while the tool is chosen."""
    pinned: bool = False
    """Whether it is beside the composer instead of in its menu."""
    persistent: bool = False
    """Whether it stays chosen after one message."""


class PageComponent(ShortFormSection, short_key="src"):
    """A component of widgets that is a page of yours: it gets the node's properties, and sends actions."""

    src: str = Field(pattern=PAGE_SOURCE_PATTERN, examples=["/map.html"])
    """The page's address: a path on the server's site, or a URL."""
    height: int | None = Field(None, ge=0, le=4000, examples=[240])
    """Its height in pixels, until the page tells its own; 160 by default."""


class Composer(Section):
    """The input field, and the models and tools that may be chosen there. A request with any other is rejected."""

    placeholder: str | None = None
    """The placeholder of the composer."""
    models: list[ComposerModel] = []
    """The models that may be chosen for an answer; no menu if the list is empty."""
    tools: list[ComposerTool] = []
    """The tools that may be chosen for a message."""
    commands: bool = False
    """Whether `/` opens a menu of the composer's own actions."""


class Header(Section):
    """The bar above the thread."""

    enabled: bool = True
    """Whether it is shown."""
    title: str | None = Field(None, min_length=1)
    """A fixed title; the thread's title by default."""
    show_title: bool = True
    """Whether a title is shown at all."""


class HistoryPanel(Section):
    """The list of the user's threads."""

    enabled: bool = True
    """Whether it can be opened."""
    delete: bool = True
    """Whether the page offers to delete threads; the server accepts such a request in any case."""
    rename: bool = True
    """Whether the page offers to rename threads; the server accepts such a request in any case."""


class Disclaimer(ShortFormSection, short_key="text"):
    """A line below the composer."""

    text: str = Field(min_length=1)
    """The line; Markdown."""
    high_contrast: bool = False
    """Whether it is shown with high contrast."""


class FontSource(Section):
    """A web font."""

    family: str = Field(min_length=1)
    """The font's name in CSS."""
    src: str = Field(min_length=1)
    """The URL of its file."""
    weight: int | str | None = None
    """Its weight in CSS."""
    style: Literal["normal", "italic", "oblique"] | None = None
    """Its style in CSS."""
    display: Literal["auto", "block", "swap", "fallback", "optional"] | None = None
    """What is shown while the font loads."""
    unicode_range: str | None = None
    """The characters that it has, as in CSS."""


class Typography(Section):
    """The theme's fonts."""

    base_size: int | None = Field(None, ge=14, le=18)
    """The size of text, in pixels."""
    font_family: str | None = None
    """The font of text, as in CSS."""
    font_family_mono: str | None = None
    """The font of code, as in CSS."""
    font_sources: list[FontSource] = []
    """Web fonts to load."""


class Grayscale(Section):
    """The palette of greys, derived from one hue."""

    hue: int = Field(ge=0, le=360)
    """The hue, in degrees."""
    tint: int = Field(ge=0, le=9)
    """How strong the hue is in the greys."""
    shade: int | None = Field(None, ge=-4, le=4)
    """How much darker or lighter the greys are."""


class Accent(Section):
    """The accent colour."""

    primary: str = Field(min_length=1)
    """The colour, as in CSS."""
    level: Literal[0, 1, 2, 3] = 1
    """The strength of its palette."""


class Surface(Section):
    """The colours of surfaces."""

    background: str = Field(min_length=1)
    """Behind everything, as in CSS."""
    foreground: str = Field(min_length=1)
    """Text and icons, as in CSS."""


class Colors(Section):
    """The theme's colours."""

    grayscale: Grayscale | None = None
    """The palette of greys."""
    accent: Accent | None = None
    """The accent colour."""
    surface: Surface | None = None
    """The colours of surfaces."""


class Theme(ShortFormSection, short_key="color_scheme", short_needed=False):
    """How the chat looks."""

    color_scheme: Literal["light", "dark"] = "light"
    """Light or dark."""
    radius: Literal["pill", "round", "soft", "sharp"] | None = None
    """How round corners are."""
    density: Literal["compact", "normal", "spacious"] | None = None
    """How much space there is between elements."""
    typography: Typography | None = None
    """Fonts."""
    color: Colors | None = None
    """Colours."""
