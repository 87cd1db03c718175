"""`build` turns a `Config` into a `Snapshot`: all objects that requests need, replaced as a whole on reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import Agent, ImageGenerationTool, RunConfig
from chatkit.agents import ResponseStreamConverter, ThreadItemConverter

from runtime.assemble import chat, project_objects
from runtime.assemble.actions import BuiltAction, build_actions
from runtime.assemble.agents import AgentBuilder
from runtime.assemble.approvals import BuiltApproval
from runtime.assemble.authentication import build_authenticator
from runtime.assemble.context import RuntimeContext
from runtime.assemble.functions import AsyncFunction, ProjectFunctions
from runtime.assemble.guardrails import GuardrailSet, build_guardrails
from runtime.assemble.mcp import McpServers, build_servers
from runtime.assemble.models import Models, build_models, run_config
from runtime.assemble.openapi_tools import build_operations
from runtime.assemble.outputs import BuiltOutput, build_outputs
from runtime.assemble.own_agents import check_names, resolve_own_agents
from runtime.assemble.problems import Problem, Problems
from runtime.assemble.routing import Routing, build_routing
from runtime.assemble.tools import BuiltTool, Tools, build_tools
from runtime.assemble.widgets import BuiltWidget, Widgets
from runtime.auth.authenticator import Authenticator
from runtime.config.model import Config
from runtime.config.project_files import ProjectFiles
from runtime.errors import RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Share
from runtime.resources.threads import ToolThreads
from runtime.templates.template import Template


class ProjectBuildError(RuntimeFault):
    """The project could not be built; `problems` holds all that failed."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.message for problem in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The objects that one configuration declares."""

    config: Config
    root: Path
    code: ProjectCode
    models: Models
    tools: Mapping[str, BuiltTool]
    widgets: Mapping[str, BuiltWidget]
    agents: Mapping[str, Agent[RuntimeContext]]
    actions: Mapping[str, BuiltAction]
    shared: project_objects.SharedObjects
    context_type: type[RuntimeContext]
    build_context: AsyncFunction | None
    converter: ThreadItemConverter
    stream_converter: ResponseStreamConverter | None
    """The project's own; None for the runtime's, which stores generated images."""
    routers: tuple[project_objects.BuiltRouter, ...]
    write_title: chat.WriteTitle | None
    summarise: chat.Summarise | None
    routing: Routing
    prefaces: Mapping[str, Template]
    """The prefaces of agents, by the agent's key."""
    errors: Mapping[str, Template]
    """The texts of `chat.errors`, by their key."""
    mentions: chat.BuiltMentions | None
    approvals: Mapping[str, BuiltApproval]
    """By the tool's name for the model, as are `tool_errors`."""
    guardrails: Mapping[str, GuardrailSet]
    """By the agent's key, as are `outputs`."""
    servers: McpServers
    outputs: Mapping[str, BuiltOutput]
    authenticator: Authenticator | None
    """None without `auth`, and for `auth: none`."""
    transcribe: chat.Transcribe | None
    tell_feedback: AsyncFunction | None
    tool_errors: Mapping[str, Template]
    run_config: RunConfig
    partial_images: int | None

    async def request_context(self, request: Any) -> Any:
        """Return `ctx.context.request_context`: the result of the function of `context:`."""
        if self.build_context is None:
            return {"request": request}
        return await self.build_context(request)


def build(
    config: Config,
    files: ProjectFiles,
    code: ProjectCode,
    environ: Mapping[str, str],
    share: Share,
    mix_converter: project_objects.MixConverter,
    *,
    offline: bool = False,
) -> Snapshot:
    """Build everything that the configuration declares. Raise ProjectBuildError with all problems.

    `files` are those that the configuration was loaded from: only their contents of that time are used. `share` gives
    the objects that generations share. `mix_converter` makes the converter from the project's own, with its arguments,
    or from None. `offline` lets models without a key answer from their scripts.
    """
    problems = Problems(code.sources)
    root = files.root.resolve()
    # A file that is read for the first time now would be in none of the generation's hashes.
    files = files.sealed()
    widgets = Widgets(config, files, code, problems)
    models = build_models(config, files, code, environ, share, problems, offline)
    own = resolve_own_agents(config, code, problems)
    size = config.limits.tool_threads
    threads = share.get(("tool threads", size), lambda: ToolThreads(size), ToolThreads.close)
    functions = ProjectFunctions(code, threads, config.limits.tool)
    agents = AgentBuilder(config, own, functions)
    check_names(agents.agents, own, problems)
    guardrails = build_guardrails(config, files, functions, models, own, problems)
    tools = Tools(config, widgets.get, agents.as_tool, lambda entry: build_operations(entry, files, share), functions)
    build_tools(config, tools, guardrails, problems)
    outputs = build_outputs(config, code, widgets.get, own, problems)
    agents.outputs = outputs
    for key, output in outputs.items():
        agents.agents[key].output_type = output.type
    servers = build_servers(config, files, environ, share, code, problems)
    agents.complete(files, functions, models, tools, guardrails.agents, servers, problems)
    shared = project_objects.build_shared_objects(config, code, share, problems)
    snapshot = Snapshot(
        config=config,
        root=root,
        code=code,
        models=models,
        tools=tools.built,
        widgets=widgets.built,
        agents=agents.agents,
        actions=build_actions(config, functions, shared, widgets.get, problems),
        shared=shared,
        context_type=project_objects.build_context_class(config, code, problems),
        build_context=project_objects.build_context(config, functions, problems),
        converter=project_objects.build_converter(config, code, mix_converter, problems),
        stream_converter=project_objects.build_stream_converter(config, code, problems),
        routers=project_objects.build_routers(config, code, problems),
        write_title=chat.build_title(config, files, models, functions, problems),
        summarise=chat.build_summary(config, files, models, functions, problems),
        routing=build_routing(config, agents.agents, models, tools.built, functions, problems),
        prefaces={key: Template.parse(agent.preface) for key, agent in config.agents.items() if agent.preface},
        errors={kind: Template.parse(text) for kind, text in config.chat.errors if text},
        mentions=chat.build_mentions(config.chat.tags, functions, widgets.get, problems),
        approvals={built.tool.name: built.approval for built in tools.built.values() if built.approval is not None},
        guardrails=guardrails.agents,
        servers=servers,
        outputs=outputs,
        tool_errors={
            tools.built[each].tool.name: Template.parse(error)
            for name, tool in config.tools.items()
            if (error := getattr(tool, "error", None))
            for each in tools.expand(name)
            if each in tools.built
        },
        authenticator=build_authenticator(config, files, code, share, problems),
        transcribe=chat.build_dictation(config, models, functions, problems),
        tell_feedback=chat.build_feedback(config, functions, problems),
        run_config=run_config(config.limits.parallel_tools),
        partial_images=_partial_images(tools.built),
    )
    if problems.recorded:
        raise ProjectBuildError(problems.recorded)
    return snapshot


def _partial_images(tools: Mapping[str, BuiltTool]) -> int | None:
    """Return how many previews image generation sends; the progress is computed from it."""
    configs = [built.tool.tool_config for built in tools.values() if isinstance(built.tool, ImageGenerationTool)]
    return max((config.get("partial_images") or 0 for config in configs), default=0) or None
