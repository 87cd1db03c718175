"""What the web component shows around the thread: the composer's menus, the header, the theme and the rest.

The names are those of the component's own options, in snake case; `GET /chatkit/options.json` turns them back.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from runtime.config.model.types import Section, ShortFormSection

ID_PATTERN = r"^[A-Za-z0-9_.:/-]{1,128}$"


class ComposerModel(ShortFormSection):
    """A model that the user may choose for an answer."""

    short_key: ClassVar[str] = "model"

    model: str = Field(min_length=1)
    """A name of the `models` section, or a model's name at OpenAI. It is also the id that the browser sends."""
    label: str | None = None
    """What the menu says; the name when left out."""
    description: str | None = None
    """A line below the label."""
    disabled: bool = False
    """Shown, but not to be chosen; a request that chooses it is refused."""
    default: bool = False
    """Chosen at first."""


class ComposerTool(Section):
    """An entry of the composer's tool menu: what the user wants the next message to be answered with."""

    id: str = Field(pattern=ID_PATTERN)
    """What the browser sends, and `entry` asks for in `when: {tool: …}`."""
    label: str = Field(min_length=1)
    """What the menu says."""
    icon: str = "sparkle"
    """An icon of ChatKit, such as `globe`."""
    tool: str | None = Field(None, min_length=1)
    """The tool of the answering agent that the model has to call first; left out, the choice only leads to an agent."""
    short_label: str | None = None
    """What the button says once the tool is chosen."""
    placeholder: str | None = None
    """What the composer says while the tool is chosen."""
    pinned: bool = False
    """Beside the composer rather than in its menu."""
    persistent: bool = False
    """Chosen until the user chooses otherwise, rather than for one message."""


class Composer(Section):
    """Where the user writes: what it says, and which models and tools may be chosen there. Others are refused."""

    placeholder: str | None = None
    """What the empty composer says."""
    models: list[ComposerModel] = []
    """The models that may be chosen for an answer; none, and there is no menu."""
    tools: list[ComposerTool] = []
    """The tools that may be chosen for a message."""
    commands: bool = False
    """Whether `/` opens a menu of the composer's own actions."""


class Header(Section):
    """The bar above the thread."""

    enabled: bool = True
    """Whether there is one."""
    title: str | None = Field(None, min_length=1)
    """A title that stays; the thread's own when left out."""
    show_title: bool = True
    """Whether a title is shown at all."""


class HistoryPanel(Section):
    """The list of the user's threads."""

    enabled: bool = True
    """Whether it can be opened."""
    delete: bool = True
    """Whether threads can be deleted there; a request is answered all the same."""
    rename: bool = True
    """Whether threads can be renamed there; a request is answered all the same."""


class Disclaimer(ShortFormSection):
    """A line below the composer."""

    short_key: ClassVar[str] = "text"

    text: str = Field(min_length=1)
    """The line; Markdown."""
    high_contrast: bool = False
    """Whether it stands out."""


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
    """What is shown while it loads."""
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
    """The palette of greys, made of one hue."""

    hue: int = Field(ge=0, le=360)
    """The hue, in degrees."""
    tint: int = Field(ge=0, le=9)
    """How much of the hue the greys have."""
    shade: int | None = Field(None, ge=-4, le=4)
    """How much darker or lighter the greys are."""


class Accent(Section):
    """The colour that stands out."""

    primary: str = Field(min_length=1)
    """The colour, as in CSS."""
    level: Literal[0, 1, 2, 3] = 1
    """How strong the palette made of it is."""


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
    """The colour that stands out."""
    surface: Surface | None = None
    """The colours of surfaces."""


class Theme(ShortFormSection):
    """How the chat looks."""

    short_key: ClassVar[str] = "color_scheme"
    short_needed: ClassVar[bool] = False
    short_pattern: ClassVar[str | None] = "^(light|dark)$"

    color_scheme: Literal["light", "dark"] = "light"
    """Light or dark."""
    radius: Literal["pill", "round", "soft", "sharp"] | None = None
    """How round corners are."""
    density: Literal["compact", "normal", "spacious"] | None = None
    """How much room there is between things."""
    typography: Typography | None = None
    """Fonts."""
    color: Colors | None = None
    """Colours."""
