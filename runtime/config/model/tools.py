"""The `tools` section: what the agents can do. The one key that is present says which kind a tool is."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Tag

from runtime.config.model.guardrails import ToolGuardrails
from runtime.config.model.types import (
    IMPORT_PATTERN,
    TOOL_NAME_PATTERN,
    ImportPath,
    JsonSchema,
    PositiveDuration,
    Secret,
    Section,
    ShortFormSection,
    Size,
    by_key,
)


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
    """Return the long form of what was declared; None where nobody is ever asked, or the names say who is."""
    if isinstance(declared, list):
        return None
    if isinstance(declared, Approval):
        return declared if declared.python is not None or declared.when is not False else None
    return None if declared is False else Approval(when=declared)


class EnabledBy(Section):
    """Whether a tool is offered, by Python."""

    python: ImportPath
    """A function of the turn's context, sync or async, that returns true or false."""


class _Tool(Section):
    description: str | None = None
    """What the tool does, for the model; overrides the docstring of a Python tool."""
    progress: str | None = None
    """Shown to the user while the tool runs; a template over `args`."""
    needs_approval: NeedsApproval = False
    """Whether the user is asked before a call is carried out: true, a template over `args`, `{python: …}`, or more."""
    steps: list[str] = []
    """Shown as a workflow while the tool works; templates over `args`. Python goes on to the next with
    `ctx.context.next_step()`."""
    error: str | None = Field(None, min_length=1)
    """What the model is told when the tool raises; a template over `error`, the exception's text."""
    enabled_if: str | EnabledBy | None = None
    """Whether the model is offered the tool: a template that is one expression, or `{python: …}`."""
    guardrails: ToolGuardrails = Field(default_factory=ToolGuardrails)
    """What the model may not ask of the tool, and what it may not be told by it."""
    stop: bool = False
    """The turn ends after this tool; the model does not speak again."""


class Question(Section):
    """One question to the user."""

    id: str = Field(min_length=1)
    """What the answer is known by."""
    question: str = Field(min_length=1)
    """The question; a template over `args`."""
    options: list[str] = []
    """What can be chosen, templates over `args`; a list among them stands for its entries. Without, any text goes."""
    multiple: bool = False
    """Whether several options may be chosen."""
    description: str | None = None
    """A line below a question that any text answers; a template over `args`."""


class _PythonTool(_Tool):
    with_: dict[str, Any] = Field({}, alias="with")
    """Arguments fixed here; the model never sees them."""
    timeout: PositiveDuration | None = None
    """How long one call may take before the model is told that it timed out."""


class PythonTool(_PythonTool, ShortFormSection):
    """A `@function_tool`, a plain sync or async function with type hints, or any Tool of the Agents SDK."""

    short_key: ClassVar[str] = "python"
    short_pattern: ClassVar[str | None] = IMPORT_PATTERN

    python: ImportPath
    """Where the tool or function is."""


class FactoryTool(_PythonTool):
    """A function that is called once with `with` and returns the tool."""

    factory: ImportPath
    """Where the function is."""


class WidgetTool(_Tool):
    """A tool without Python: it shows a widget; its arguments are the widget's data."""

    widget: str = Field(min_length=1)
    """The widget's name, or its file."""


class ClientTool(_Tool):
    """A tool that runs in the browser; the turn pauses and goes on with its result."""

    client: str = Field(pattern=TOOL_NAME_PATTERN)
    """The name of the client tool in the browser."""
    parameters: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}
    """The JSON Schema of its arguments."""


class EffectTool(_Tool):
    """A client effect: sent to the browser and not waited for."""

    effect: str = Field(min_length=1)
    """The name of the effect in the browser."""
    parameters: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}
    """The JSON Schema of its data."""


class ThreadTool(_Tool):
    """A tool without Python that locks or closes the thread, so that nobody writes in it, or opens it again."""

    thread: Literal["lock", "close", "open"]
    """What becomes of the thread."""
    reason: str | None = Field(None, min_length=1)
    """What the user is told about it; a template."""


class AskTool(_Tool):
    """Questions to the user: the turn pauses, and goes on with the answers."""

    ask: list[Question] = Field(min_length=1)
    """The questions."""
    parameters: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}
    """The JSON Schema of the arguments, which the questions may use."""


class AgentTool(_Tool):
    """Another agent as a tool: it gets the input, works, and its answer is the tool's result."""

    agent: str
    """The agent's name."""
    max_turns: int | None = Field(None, ge=1)
    """How many model calls it may make."""


class ShellTool(Section):
    """Commands that the model wants to run, through Python of your own; nothing runs them unless you say how."""

    shell: ImportPath
    """An `agents.ShellExecutor`: a function of the request, sync or async, that runs the commands."""
    needs_approval: bool = True
    """Whether the user is asked before commands run."""


class PatchTool(Section):
    """Files that the model wants to change, through Python of your own; nothing changes them unless you say how."""

    apply_patch: ImportPath
    """An `agents.ApplyPatchEditor`, or its class."""
    needs_approval: bool = True
    """Whether the user is asked before a file is changed."""


class OpenApiTool(_Tool):
    """The operations of an HTTP service that an OpenAPI document describes; each is a tool."""

    openapi: str = Field(min_length=1)
    """The document, from the project folder: OpenAPI 3.0, 3.1 or 3.2, as YAML or JSON."""
    description: str | None = None
    """Said to the model before what the document says of each operation."""
    base_url: str | None = Field(None, pattern=r"^(https?://|\$\{)")
    """Where the service is; the document's first server when left out."""
    operations: list[str] | None = None
    """The operations that are let in, by their `operationId`; all of them when left out."""
    headers: dict[str, Secret] = {}
    """HTTP headers sent with every call."""
    prefix: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    """Put before the name of each tool that the model sees."""
    needs_approval: bool | list[str] = False  # type: ignore[assignment]  # of one operation, there is more to say
    """Whether the user is asked before a call: true for all operations, or the names of some."""
    timeout: PositiveDuration = 30.0
    """How long one call may take."""
    max_response: Size = 64 * 1024
    """How much of an answer the model gets at most."""


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


class _Hosted(Section):
    description: str | None = None
    """A note for readers of the file; of an MCP server, a note for the model as well."""


class WebSearch(_Hosted):
    """OpenAI's web search."""

    hosted: Literal["web_search"]
    """Which hosted tool."""
    search_context_size: Literal["low", "medium", "high"] = "medium"
    """How much of the pages found the model reads."""
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
    """Whether pages are fetched; false searches what is cached or indexed alone."""
    content: list[Literal["text", "image"]] | None = None
    """What is searched for; text when left out."""
    max_images: int | None = Field(None, ge=1)
    """How many images are found at most."""


class FileSearch(_Hosted):
    """OpenAI's search over vector stores."""

    hosted: Literal["file_search"]
    """Which hosted tool."""
    vector_store_ids: list[str] = Field(min_length=1)
    """The vector stores that are searched."""
    max_num_results: int | None = Field(None, ge=1, le=50)
    """How many results the model gets at most."""
    ranker: str | None = Field(None, min_length=1)
    """How results are ranked: `auto`, or a ranker's version."""
    score_threshold: float | None = Field(None, ge=0, le=1)
    """What a result has to score at least; from 0 to 1."""
    filters: dict[str, Any] | None = None
    """Which files are searched, by their attributes: a comparison or a compound filter of OpenAI's API."""
    include_results: bool = False
    """Whether the response carries the results, beside what the model makes of them."""


class CodeInterpreter(_Hosted):
    """OpenAI's sandbox that runs Python."""

    hosted: Literal["code_interpreter"]
    """Which hosted tool."""
    file_ids: list[str] = []
    """Files that the sandbox starts with."""


class ImageGeneration(_Hosted):
    """OpenAI's image generation."""

    hosted: Literal["image_generation"]
    """Which hosted tool."""
    partial_images: int = Field(0, ge=0, le=3)
    """How many unfinished images are shown while it draws."""
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
    """The server's name for the model and on the cards that ask for approval; one of its own among an agent's tools."""
    url: Secret | None = Field(None, pattern=r"^(https?://.+|\$\{.+)$")
    """The server's address, which OpenAI must be able to reach."""
    connector: Connector | None = None
    """One of OpenAI's connectors, in place of `url`; it needs an `authorization`."""
    authorization: Secret | None = None
    """An OAuth access token for the server or the connector; none where it is empty."""
    headers: dict[str, Secret] = {}
    """HTTP headers that OpenAI sends to the server."""
    tools: list[str] | None = None
    """The tools that are let in; all of them when left out."""
    needs_approval: bool | list[str] = True
    """Whether the user is asked before a call: true for all tools, or the names of some of `tools`."""


HostedTool = Annotated[
    WebSearch | FileSearch | CodeInterpreter | ImageGeneration | HostedMcp, Field(discriminator="hosted")
]

KINDS = (
    *("factory", "widget", "client", "effect", "thread", "ask", "agent"),
    *("shell", "apply_patch", "openapi", "hosted", "python"),
)
"""The keys of which one says which kind a tool is."""

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
