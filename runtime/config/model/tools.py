"""The `tools` section: what agents can do. One key selects the kind of a tool."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from runtime.config.model.guardrails import ToolGuardrails
from runtime.config.model.types import (
    TOOL_NAME_PATTERN,
    Condition,
    ImportPath,
    JsonSchema,
    PositiveDuration,
    Roles,
    Secret,
    Section,
    ShortFormSection,
    Size,
    by_key,
)


class Approval(Section):
    """When the user must approve a call, and the texts of the question, which are templates over `args`."""

    when: Condition = True
    """Whether to ask: true, or a template of one expression over `args`. If the template fails, the user is asked."""
    python: ImportPath | None = None
    """A function `(ctx, args)`, sync or async, that returns whether to ask, instead of `when`."""
    title: str | None = Field(None, min_length=1)
    """The title of the card; the tool's name by default."""
    text: str | None = Field(None, min_length=1)
    """A text below the title, as Markdown; the arguments by default."""
    approve: str = Field("Approve", min_length=1)
    """The button that approves the call."""
    deny: str = Field("Deny", min_length=1)
    """The button that denies the call."""
    rejection: str = Field("The user did not allow this call.", min_length=1)
    """The message to the model about a call that the user denied or ignored."""


NeedsApproval = Condition | Approval


def approval_of(declared: NeedsApproval | list[str]) -> Approval | None:
    """Return the long form; None if the user is never asked, or if a list of names decides."""
    if isinstance(declared, list):
        return None
    if isinstance(declared, Approval):
        return declared if declared.python is not None or declared.when is not False else None
    return None if declared is False else Approval(when=declared)


class EnabledBy(Section):
    """A Python condition for the availability of a tool."""

    python: ImportPath
    """A function of the turn's context, sync or async, that returns true or false."""


class _Restricted(Section):
    roles: Roles | None = Field(None, examples=[["support"]])
    """The roles of which a user needs one; for others, the model does not have the tool."""


class _Tool(_Restricted):
    description: str | None = None
    """What the tool does, for the model; overrides the docstring of a Python tool."""
    progress: str | None = None
    """Shown to the user while the tool runs; a template over `args`."""
    needs_approval: NeedsApproval = False
    """Whether the user must approve a call: true, a template over `args`, `{python: …}`, or more."""
    steps: list[str] = []
    """Shown as a workflow while the tool runs; templates over `args`. Python moves to the next step with
    `ctx.context.next_step()`."""
    error: str | None = Field(None, min_length=1)
    """The message to the model when the tool raises; a template over `error`, the exception's text."""
    enabled_if: Condition | EnabledBy | None = None
    """Whether the tool is available to the model: true, false, a template of one expression, or `{python: …}`."""
    guardrails: ToolGuardrails = Field(default_factory=ToolGuardrails)
    """The guardrails of the tool's arguments and result."""
    stop: bool = False
    """Whether the turn ends after this tool, without another run of the model."""


class Question(Section):
    """One question to the user."""

    id: str = Field(min_length=1)
    """The id of the answer."""
    question: str = Field(min_length=1)
    """The question; a template over `args`."""
    options: list[str] = []
    """The choices; templates over `args`, one of which may yield a list of choices. Without them, any text goes."""
    multiple: bool = False
    """Whether several options may be chosen."""
    description: str | None = None
    """A line below a question without options; a template over `args`."""


class _PythonTool(_Tool):
    with_: dict[str, Any] = Field({}, alias="with")
    """Fixed arguments, which the model never sees."""
    timeout: PositiveDuration | None = None
    """How long one call may take; after that the model gets a timeout message."""


class PythonTool(_PythonTool, ShortFormSection, short_key="python"):
    """A `@function_tool`, a plain sync or async function with type hints, or any Tool of the Agents SDK."""

    python: ImportPath
    """The import path of the tool or function."""


class FactoryTool(_PythonTool):
    """A function that is called once with `with` and returns the tool."""

    factory: ImportPath
    """The import path of the function."""


class WidgetTool(_Tool):
    """A tool without Python: it shows a widget; its arguments are the widget's data."""

    widget: str = Field(min_length=1)
    """The widget's name, or its file."""


class ClientTool(_Tool):
    """A tool that runs in the browser; the turn pauses and continues with its result."""

    client: str = Field(pattern=TOOL_NAME_PATTERN)
    """The name of the client tool in the browser."""
    parameters: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}
    """The JSON Schema of its arguments."""


class EffectTool(_Tool):
    """A client effect: sent to the browser, without waiting for a result."""

    effect: str = Field(min_length=1)
    """The name of the effect in the browser."""
    parameters: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}
    """The JSON Schema of its data."""


class ThreadTool(_Tool):
    """A tool without Python that locks or closes the thread for new messages, or opens it again."""

    thread: Literal["lock", "close", "open"]
    """The new status of the thread."""
    reason: str | None = Field(None, min_length=1)
    """The reason that the user sees; a template."""


class AskTool(_Tool):
    """Questions to the user: the turn pauses and continues with the answers."""

    ask: list[Question] = Field(min_length=1)
    """The questions."""
    parameters: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}
    """The JSON Schema of the arguments, which the questions may use."""


class AgentTool(_Tool):
    """Another agent as a tool: it gets the input, and its answer is the tool's result."""

    agent: str
    """The agent's name."""
    max_turns: int | None = Field(None, ge=1)
    """The most model calls that it may make."""


class ShellTool(_Restricted):
    """Shell commands of the model, run by your own Python; the runtime itself runs none."""

    shell: ImportPath
    """An `agents.ShellExecutor`: a function of the request, sync or async, that runs the commands."""
    needs_approval: NeedsApproval = True
    """Whether the user must approve commands before they run, as of other tools; `args.commands` are the commands."""


class PatchTool(_Restricted):
    """File changes of the model, applied by your own Python; the runtime itself changes no file."""

    apply_patch: ImportPath
    """An `agents.ApplyPatchEditor`, or its class."""
    needs_approval: NeedsApproval = True
    """Whether the user must approve a change, as of other tools; `args` has the `type`, `path` and `diff` of it."""


class OpenApiTool(_Tool):
    """The operations of an HTTP service that an OpenAPI document describes; each is a tool."""

    openapi: str = Field(min_length=1)
    """The document, relative to the project folder: OpenAPI 3.0, 3.1 or 3.2, as YAML or JSON."""
    description: str | None = None
    """Text for the model before the document's description of each operation."""
    base_url: str | None = Field(None, pattern=r"^(https?://|\$\{)")
    """The URL of the service; the document's first server by default."""
    operations: list[str] | None = None
    """The allowed operations, by their `operationId`; all of them by default."""
    headers: dict[str, Secret] = {}
    """HTTP headers sent with every call."""
    prefix: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    """A prefix of each tool name that the model sees."""
    needs_approval: bool | list[str] = False  # type: ignore[assignment]  # a list of operations instead of conditions
    """Whether the user must approve a call: true for all operations, or the names of some."""
    timeout: PositiveDuration = 30.0
    """How long one call may take."""
    max_response: Size = 64 * 1024
    """The most of a response that the model gets."""


Connector = Literal[
    "connector_dropbox",
    "connector_gmail",
    "connector_googlecalendar",
    "connector_googledrive",
    "connector_microsoftteams",
    "connector_outlookcalendar",
    "connector_outlookemail",
    "connector_sharepoint",
]


class _Hosted(_Restricted):
    description: str | None = None
    """A note for readers of the file; of an MCP server, a note for the model as well."""


class WebSearch(_Hosted):
    """OpenAI's web search."""

    hosted: Literal["web_search"]
    """Which hosted tool."""
    search_context_size: Literal["low", "medium", "high"] = "medium"
    """How much of the found pages the model reads."""
    allowed_domains: list[str] | None = None
    """Search on these domains only."""
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    """The user's country, two letters, for local results."""
    region: str | None = None
    """The user's region, for local results."""
    city: str | None = None
    """The user's city, for local results."""
    timezone: str | None = None
    """The user's time zone, an IANA name, for local results."""
    live: bool | None = None
    """Whether pages are fetched; false searches only cached or indexed pages."""
    content: list[Literal["text", "image"]] | None = None
    """What to search for; text by default."""
    max_images: int | None = Field(None, ge=1)
    """The most images to find."""


class FileSearch(_Hosted):
    """OpenAI's search over vector stores."""

    hosted: Literal["file_search"]
    """Which hosted tool."""
    vector_store_ids: list[str] = Field(min_length=1)
    """The vector stores that are searched."""
    max_num_results: int | None = Field(None, ge=1, le=50)
    """The most results that the model gets."""
    ranker: str | None = Field(None, min_length=1)
    """How results are ranked: `auto`, or a ranker's version."""
    score_threshold: float | None = Field(None, ge=0, le=1)
    """The minimum score of a result, from 0 to 1."""
    filters: dict[str, Any] | None = None
    """A filter of files by their attributes: a comparison or a compound filter of OpenAI's API."""
    include_results: bool = False
    """Whether the response contains the results as well."""


class CodeInterpreter(_Hosted):
    """OpenAI's sandbox that runs Python."""

    hosted: Literal["code_interpreter"]
    """Which hosted tool."""
    file_ids: list[str] = []
    """Files in the sandbox at its start."""


class ImageGeneration(_Hosted):
    """OpenAI's image generation."""

    hosted: Literal["image_generation"]
    """Which hosted tool."""
    partial_images: int = Field(0, ge=0, le=3)
    """How many unfinished images are shown during generation."""
    model: str | None = None
    """The image model."""
    size: Literal["1024x1024", "1024x1536", "1536x1024", "auto"] | None = None
    """Width x height in pixels."""
    quality: Literal["low", "medium", "high", "auto"] | None = None
    """The image's quality."""
    background: Literal["transparent", "opaque", "auto"] | None = None
    """The image's background."""
    output_format: Literal["png", "webp", "jpeg"] | None = None
    """The file format."""


class HostedMcp(_Hosted):
    """An MCP server that OpenAI connects to and calls: its address, or one of OpenAI's connectors."""

    hosted: Literal["mcp"]
    """Which hosted tool."""
    label: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")
    """The server's name for the model and on approval cards; unique among an agent's tools."""
    url: Secret | None = Field(None, pattern=r"^(https?://.+|\$\{.+)$")
    """The server's address, which OpenAI must be able to reach."""
    connector: Connector | None = None
    """One of OpenAI's connectors, instead of `url`; it requires an `authorization`."""
    authorization: Secret | None = None
    """An OAuth access token for the server or the connector; an empty one counts as none."""
    headers: dict[str, Secret] = {}
    """HTTP headers that OpenAI sends to the server."""
    tools: list[str] | None = None
    """The allowed tools; all of them by default."""
    needs_approval: bool | list[str] = True
    """Whether the user must approve a call: true for all tools, or the names of some of `tools`."""


HOSTED_TOOLS = ("web_search", "file_search", "code_interpreter", "image_generation", "mcp")
"""The names of OpenAI's tools."""

HostedTool = Annotated[
    WebSearch | FileSearch | CodeInterpreter | ImageGeneration | HostedMcp, Field(discriminator="hosted")
]

KINDS = (
    *("factory", "widget", "client", "effect", "thread", "ask", "agent"),
    *("shell", "apply_patch", "openapi", "hosted", "python"),
)
"""The keys of which one selects the kind of a tool."""

Tool = Annotated[
    Annotated[PythonTool, Tag("python")]
    | Annotated[FactoryTool, Tag("factory")]
    | Annotated[WidgetTool, Tag("widget")]
    | Annotated[ClientTool, Tag("client")]
    | Annotated[EffectTool, Tag("effect")]
    | Annotated[ThreadTool, Tag("thread")]
    | Annotated[AskTool, Tag("ask")]
    | Annotated[AgentTool, Tag("agent")]
    | Annotated[ShellTool, Tag("shell")]
    | Annotated[PatchTool, Tag("apply_patch")]
    | Annotated[OpenApiTool, Tag("openapi")]
    | Annotated[HostedTool, Tag("hosted")],
    by_key(*KINDS, short="python"),
]
