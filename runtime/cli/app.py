"""The commands, their options and their help texts.

Each command imports its function when it runs: `--help`, `validate`, `schema` and `init` load no SDK and no web
framework.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from runtime import __version__
from runtime.cli import PROGRAM
from runtime.cli.commands.client import Kind
from runtime.cli.commands.schema import Of
from runtime.cli.data_app import data_app, migrate
from runtime.cli.exit_codes import INTERRUPTED, report_error
from runtime.cli.options import PROFILE_VARIABLE, LastGood, Port, Profile, Project, select_profile
from runtime.cli.report.project_report import Format
from runtime.errors import UsageError

_EPILOG = f"""
[bold]Get started[/bold]
  {PROGRAM} init my-chat   write a working project that runs offline
  {PROGRAM} chat my-chat   talk to it in the terminal
  {PROGRAM} dev my-chat    chat with it in the browser

[bold]Exit codes[/bold]
  0  success
  1  the config has errors, or the command failed
  2  wrong usage
  3  an unexpected error; a bug report is written
  130  Ctrl-C
"""


def _examples(*lines: str) -> str:
    return "\n".join(["[bold]Examples[/bold]", *(f"  {PROGRAM} {line}" for line in lines)])


def _exit(code: int, **options: object) -> None:
    raise typer.Exit(code)


app = typer.Typer(
    name=PROGRAM,
    help="A declarative agent runtime: agents.yaml in, a ChatKit server out.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    result_callback=_exit,
)


app.add_typer(data_app, name="data")
app.command()(migrate)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; no exception leaves this function."""
    profile = os.environ.get(PROFILE_VARIABLE)
    try:
        app(args=list(arguments), prog_name=PROGRAM)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return report_error(error, arguments)
    finally:
        os.environ.pop(PROFILE_VARIABLE, None)
        select_profile(profile)
    return 0


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, Option("--debug", help="Show tracebacks; CHATKIT_DEBUG=1 does the same.")] = False,
) -> None: ...


@app.command(epilog=_examples("init my-chat", "init . --force"))
def init(
    folder: Annotated[
        Path, Argument(metavar="DIR", help="The folder to write to; created if missing.", show_default="this folder")
    ] = Path(),
    force: Annotated[bool, Option("--force", help="Overwrite existing files.")] = False,
) -> int:
    """Write a working project: agents.yaml, a tool, a widget, an offline model and a test.

    It needs no API key and no network. No file is overwritten without --force.
    """
    from runtime.cli.commands.init import init_project

    return init_project(folder, force=force)


@app.command(epilog=_examples("serve", "serve my-chat --port 0", "serve --host 0.0.0.0"))
def serve(
    path: Project = Path(),
    host: Annotated[str | None, Option(help="The address to listen on. Default: server.host.")] = None,
    port: Port = None,
    allow_unauthenticated: Annotated[bool, Option("--allow-unauthenticated", hidden=True)] = False,
    access_log: Annotated[bool, Option("--access-log", help="Log each request.")] = False,
    watch: Annotated[bool, Option("--watch/--no-watch", help="Reload when a file of the project changes.")] = True,
    last_good: LastGood = False,
    offline: Annotated[
        bool, Option("--offline", help="Let models without a key answer from their offline scripts.")
    ] = False,
    profile: Profile = None,
) -> int:
    """Serve a project over HTTP until Ctrl-C, and reload it when its files change.

    Once the server accepts requests, it prints "serving http://HOST:PORT/chatkit" on standard output. It does not start
    (exit code 1) if agents.yaml has errors, or if the host is not loopback and `auth` declares no login. If the port is
    in use, the exit code is 2. After SIGTERM running answers have `server.grace` seconds to end; the exit code is 0.

    An edit of agents.yaml, of a file that it names, of the project's Python or of .env takes effect with the next
    message; running answers finish on the version that they started with. If an edit has errors, they are printed and
    the previous version stays in use. SIGHUP and POST /-/reload also start a reload.
    """
    from runtime.cli.commands.serve import serve_project
    from runtime.errors import UsageError

    if allow_unauthenticated:
        raise UsageError(
            "--allow-unauthenticated no longer exists (declare the users with `auth:` in agents.yaml; behind a proxy "
            "that logs users in: `auth: {header: {user: X-Forwarded-User, proxies: [10.0.0.0/8]}}`)"
        )
    return serve_project(
        path,
        host=host,
        port=port,
        access_log=access_log,
        watch=watch,
        last_good=last_good,
        offline=offline,
    )


@app.command(epilog=_examples("token ada", "token ci --days 90"))
def token(
    user: Annotated[str, Argument(metavar="USER", help="The id of the user.")],
    days: Annotated[int | None, Option(min=1, max=3650, help="Days until the token is refused.")] = None,
) -> int:
    """Make a random token for a user, and print it once, with the lines for agents.yaml.

    agents.yaml contains the SHA-256 of the token alone. The token itself is stored nowhere: whoever loses it gets a new
    one.
    """
    from runtime.cli.commands.token import make_token

    return make_token(user, days)


@app.command(epilog=_examples("dev", "dev my-chat --port 9000"))
def dev(path: Project = Path(), port: Port = None, last_good: LastGood = False, profile: Profile = None) -> int:
    """Serve a project to this machine only, log each request, and reload the project when its files change.

    The first line with an address is that of the chat page, also of a project without `server.page`.
    A request whose Host or Origin is not loopback is refused, so that no web page can reach the server through your
    browser. Edits take effect with the next message, as with serve.
    """
    from runtime.cli.commands.serve import serve_locally

    return serve_locally(path, port=port, last_good=last_good)


@app.command(
    epilog=_examples(
        "chat my-chat",
        "chat -m hello -m /1",
        "chat --url http://127.0.0.1:8000/chatkit",
        "chat --json -m hello | jq .type",
    )
)
def chat(
    path: Project = Path(),
    url: Annotated[str | None, Option(metavar="URL", help="Talk to a running server instead of a project.")] = None,
    thread: Annotated[str | None, Option(metavar="ID", help="Continue this thread.")] = None,
    message: Annotated[
        list[str] | None, Option("--message", "-m", metavar="TEXT", help="Send this message and exit; repeatable.")
    ] = None,
    header: Annotated[
        list[str] | None, Option("--header", "-H", metavar="K:V", help="Send this header; repeatable.")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print only the events, each as one line of JSON.")] = False,
    profile: Profile = None,
) -> int:
    """Chat in the terminal, with a project (served in this process) or with a running server.

    Text appears as it is streamed. Widgets are drawn as text, and each of their actions has a number: /1 clicks it.
    A client tool shows its arguments and asks for a result as JSON. /help lists the commands.

    With --message, or with lines piped to standard input, the next message also answers each prompt: for the result of
    a client tool, for a required input of a form (the others keep their defaults), for a question. The exit code is
    then 1 if a turn failed.
    """
    from runtime.cli.commands.chat import chat_with

    return chat_with(path, url=url, thread=thread, messages=message or (), headers=header or (), as_json=as_json)


@app.command(
    epilog=_examples(
        "validate",
        "validate --import --strict",
        "validate one two/agents.yaml --format json",
        "validate --base before.yaml",
        "validate --watch",
    )
)
def validate(
    paths: Annotated[
        list[Path] | None,
        Argument(metavar="PATH", help="Project folders, or their agents.yaml.", show_default="./agents.yaml"),
    ] = None,
    build: Annotated[
        bool, Option("--import", help="Also build the project in a child process: runs its Python.")
    ] = False,
    connect: Annotated[
        bool,
        Option(
            "--connect", help="Also open the store, and call models, MCP servers, services and logins: needs the keys."
        ),
    ] = False,
    timeout: Annotated[
        float, Option("--timeout", metavar="SECONDS", min=1, help="CPU time for --import, for each project.")
    ] = 60,
    base: Annotated[
        Path | None, Option("--base", metavar="FILE", help="Report breaking changes since this earlier agents.yaml.")
    ] = None,
    output: Annotated[
        Format, Option("--format", metavar="FORMAT", help="text (code frames), json, github, sarif or junit.")
    ] = "text",
    strict: Annotated[bool, Option("--strict", help="Fail on warnings too; notes never fail.")] = False,
    watch: Annotated[
        bool, Option("--watch", help="Check again each time a file of the project changes, until Ctrl-C.")
    ] = False,
    profile: Profile = None,
) -> int:
    """Report every mistake of a project with its line, its column and a hint.

    By default no code of the project runs: validate is safe on untrusted files, fast enough for every save, and needs
    no network and no keys. It parses the project's Python, and renders the widgets in a sandbox. What can't be decided
    that way is reported as a note.

    With --import it also builds the project as serve does, in a child process that may use --timeout seconds of CPU
    time and run three times as long. This runs the project's Python, and accepts exactly what serve accepts.

    With --connect that build also opens the store and calls the models, MCP servers, services and identity provider,
    to check that they can be reached and accept the keys.

    Each profile of the file is checked for errors; with --profile only that profile is checked, in full.
    """
    from runtime.cli.commands.validate import Depth, validate_projects

    depth = Depth(build=build or connect, connect=connect, timeout_s=timeout, base=base)
    return validate_projects(paths or [Path()], output=output, strict=strict, depth=depth, watch=watch)


@app.command(epilog=_examples("explain A203", "explain"))
def explain(
    code: Annotated[
        str | None, Argument(metavar="CODE", help="A code that validate printed.", show_default="list all codes")
    ] = None,
) -> int:
    """Explain a diagnostic code: what it means, why it matters, and how to fix it."""
    from runtime.cli.commands.explain import explain_code

    return explain_code(code)


@app.command(epilog=_examples("show", "show my-chat --format json", "show --resolved --profile prod"))
def show(
    path: Project = Path(),
    output: Annotated[Literal["yaml", "json"], Option("--format", help="The output format.")] = "yaml",
    resolved: Annotated[
        bool, Option("--resolved", help="Print the origin of each value: file and line, profile, variables.")
    ] = False,
    profile: Profile = None,
) -> int:
    """Print the resolved config: files and profile merged, variables replaced, defaults filled in.

    Secrets are masked. With --resolved each value has a line of its own, followed by its origin.
    """
    from runtime.cli.commands.show import show_project

    return show_project(path, output=output, origins=resolved)


@app.command(
    epilog=_examples(
        "client page --output web",
        "client page --output web --server /chatkit",
        "client types my-chat --output src/chatkit.ts",
        "client types --output src/chatkit.ts --check",
    )
)
def client(
    kind: Annotated[Kind, Argument(metavar="page|handlers|types", help="The file to write.", show_default=False)],
    path: Project = Path(),
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FILE", help="Write to this file or folder instead of printing.")
    ] = None,
    check: Annotated[
        bool, Option("--check", help="Write nothing; exit with 1 if the file of --output is missing or out of date.")
    ] = False,
    server: Annotated[
        str | None,
        Option(
            "--server", metavar="URL", help="The URL of the ChatKit endpoint for the page. Default: from `server:`."
        ),
    ] = None,
    script: Annotated[
        str | None,
        Option(
            "--script",
            metavar="URL",
            help="The URL of the ChatKit component, such as /chatkit/element.js of the server. Default: OpenAI's.",
        ),
    ] = None,
    profile: Profile = None,
) -> int:
    """Write the files that connect a web page to the project: a complete page, or TypeScript for your own page.

    page is an HTML page with the ChatKit component. OpenAI's is loaded from its network; where it can't be reached, the
    page says so and shows the server's own, which --script always selects. The page loads its options from the server.
    It calls handlers.js for each client tool, effect and client action; that file is generated once and is then yours
    to edit.

    types is a TypeScript module: the types of client tools, effects and payloads, the interface Handlers with a handler
    for each of them, and connect(), which connects the handlers to the component. It needs @openai/chatkit.

    handlers prints a handlers.js with a stub for each handler that agents.yaml declares now.

    No code of the project runs: tools and effects that only its Python declares are missing in the files.
    """
    from runtime.cli.commands.client import write_client

    return write_client(kind, path, output=output, check=check, server=server, script=script)


@app.command(
    epilog=_examples("schema --write", "schema --write my-chat", "schema > agents.schema.json", "schema --of included")
)
def schema(
    file: Annotated[Path | None, Argument(metavar="FILE", help="The file or folder to write to, with --write.")] = None,
    write: Annotated[bool, Option("--write", help="Write ./agents.schema.json, or FILE, instead of printing.")] = False,
    of: Annotated[
        Of, Option("--of", help="The schema of agents.yaml, of an included file, or of a profile.")
    ] = "agents",
) -> int:
    """Print the JSON Schema of agents.yaml (Draft 2020-12), for editors and linters.

    An editor finds it through the first line of agents.yaml: # yaml-language-server: $schema=./agents.schema.json

    An included file may be incomplete and has its own schema: --of included writes included.schema.json.
    """
    if file is not None and not write:
        raise UsageError("FILE needs --write (to print, leave FILE out)")
    from runtime.cli.commands.schema import write_schema

    return write_schema(file or Path() if write else None, of)


# Typer keeps the line breaks of a docstring; join the lines, so that the text wraps at the terminal's width.
for _command in app.registered_commands:
    _paragraphs = inspect.cleandoc(_command.callback.__doc__ or "").split("\n\n")
    _command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in _paragraphs)
