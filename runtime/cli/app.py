"""What can be typed, and the one place where an exception becomes an exit code.

Verbs are imported when they run: `--help`, `validate`, `schema` and `init` load neither an SDK nor a web framework.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from runtime import __version__
from runtime.cli.exit_codes import INTERRUPTED, PROGRAM, report_error
from runtime.errors import UsageError

_PROFILE = "CHATKIT_PROFILE"
_EPILOG = f"""
[bold]Begin here[/bold]
  {PROGRAM} init my-chat   write a working project that runs offline
  {PROGRAM} chat my-chat   talk to it in the terminal
  {PROGRAM} dev my-chat    serve it on this machine

[bold]Exit codes[/bold]
  0  done
  1  the config, or what was asked about, has errors
  2  wrong usage
  3  a bug or an unexpected failure
  130  Ctrl-C
"""


def _examples(*lines: str) -> str:
    return "\n".join(["[bold]Examples[/bold]", *(f"  {PROGRAM} {line}" for line in lines)])


app = typer.Typer(
    name=PROGRAM,
    help="A declarative agent runtime: agents.yaml in, a ChatKit server out.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; no exception leaves this function."""
    debug = bool(os.environ.get("CHATKIT_DEBUG")) or "--debug" in arguments
    profile = os.environ.get(_PROFILE)
    try:
        app(args=list(arguments), prog_name=PROGRAM)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return report_error(error, debug=debug)
    finally:
        _set_profile(profile)
    return 0


def _ask_for_profile(name: str | None) -> str | None:
    # As the variable, so that every process that this one starts reads the same project.
    if name is not None:
        _set_profile(name)
    return name


def _set_profile(name: str | None) -> None:
    if name is not None:
        os.environ[_PROFILE] = name
    else:
        os.environ.pop(_PROFILE, None)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks of failures; CHATKIT_DEBUG=1 does the same.")
    ] = False,
) -> None: ...


Project = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="The project's folder, or its agents.yaml.", show_default="./agents.yaml"),
]
Port = Annotated[
    int | None,
    typer.Option("--port", "-p", min=0, max=65535, help="The port; 0 takes a free one. Default: server.port."),
]

Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help=f"Lay this one of the file's profiles over it; {_PROFILE} does the same.",
        callback=_ask_for_profile,
        expose_value=False,
    ),
]
LastGood = Annotated[bool, typer.Option("--last-good", help="When the files are broken, start from what served last.")]


@app.command(epilog=_examples("init my-chat", "init . --force"))
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write; made if missing.", show_default="this folder")
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Write a working project: agents.yaml, a tool, a widget, an offline model and a test.

    It needs no key and no network. Nothing is overwritten without --force.
    """
    from runtime.cli.commands.init import init_project

    raise typer.Exit(init_project(folder, force=force))


@app.command(epilog=_examples("serve", "serve my-chat --port 0", "serve --host 0.0.0.0 --allow-unauthenticated"))
def serve(
    path: Project = Path(),
    host: Annotated[str | None, typer.Option(help="The address to listen on. Default: server.host.")] = None,
    port: Port = None,
    allow_unauthenticated: Annotated[
        bool, typer.Option("--allow-unauthenticated", help="Serve off loopback although nobody has to log in.")
    ] = False,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Reload when a file of the project changes.")
    ] = True,
    last_good: LastGood = False,
    profile: Profile = None,
) -> None:
    """Serve a project over HTTP until Ctrl-C, and reload it when its files change.

    The line "serving http://HOST:PORT/chatkit" on standard output says that requests are welcome. The command refuses
    to start (exit code 1) when agents.yaml has errors, and when the host is not loopback: this version has no login, so
    whoever reaches the port may chat. Put a proxy that checks who it is in front and say --allow-unauthenticated.
    A port that is taken ends with exit code 2, SIGTERM with 0: answers that run get `server.grace` to end.

    An edit of agents.yaml, of a file that it names, of the project's Python or of .env takes effect with the next
    message; answers that run end on what they began with. An edit with mistakes changes nothing: they are printed, and
    what served goes on. SIGHUP and POST /-/reload ask for a reload.
    """
    from runtime.cli.commands.serve import serve_project

    raise typer.Exit(
        serve_project(
            path,
            host=host,
            port=port,
            allow_unauthenticated=allow_unauthenticated,
            access_log=access_log,
            watch=watch,
            last_good=last_good,
        )
    )


@app.command(epilog=_examples("dev", "dev my-chat --port 9000"))
def dev(path: Project = Path(), port: Port = None, last_good: LastGood = False, profile: Profile = None) -> None:
    """Serve a project to this machine alone, with a log line for each request, and reload it when its files change.

    Requests whose Host or Origin is not loopback are refused, so that no page on the web can reach the server through
    your browser. Edits take effect with the next message, as they do with serve.
    """
    from runtime.cli.commands.dev import serve_locally

    raise typer.Exit(serve_locally(path, port=port, last_good=last_good))


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
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Talk to a running server, instead of a project.")
    ] = None,
    thread: Annotated[str | None, typer.Option(metavar="ID", help="Go on with this thread.")] = None,
    message: Annotated[
        list[str] | None,
        typer.Option("--message", "-m", metavar="TEXT", help="Send this and exit; may be repeated."),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="K:V", help="Send a header; may be repeated.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as one line of JSON, and nothing else.")
    ] = False,
    profile: Profile = None,
) -> None:
    """Talk to an agent in the terminal: to a project (in this process) or to a running server.

    Text appears as it is written. Widgets are drawn as text, and what can be clicked has a number: /1 clicks it.
    Tools that run in the browser show their arguments and ask for a result, as JSON. Type /help for the commands.

    With --message, or with lines piped to standard input, whatever is asked for takes the next message: the result of
    a client tool, the required inputs of a form (the others keep their defaults), the answers to questions. The exit
    code is then 1 when a turn ended in an error.
    """
    from runtime.cli.commands.chat import chat_with

    raise typer.Exit(
        chat_with(
            path, url=url, thread=thread, messages=tuple(message or ()), headers=tuple(header or ()), as_json=as_json
        )
    )


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
        typer.Argument(metavar="PATH", help="Project folders or their files.", show_default="./agents.yaml"),
    ] = None,
    build: Annotated[
        bool, typer.Option("--import", help="Build the project, too, in a process of its own: runs its Python.")
    ] = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="Build it, open its store and ask its models' endpoints: needs the keys.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long --import may take, for each project.")
    ] = 60,
    base: Annotated[
        Path | None,
        typer.Option("--base", metavar="FILE", help="Say what breaks for the users of this earlier agents.yaml."),
    ] = None,
    output: Annotated[
        Literal["text", "json", "github", "sarif", "junit"],
        typer.Option(
            "--format", metavar="FORMAT", help="text (code frames), or for programs json, github, sarif or junit."
        ),
    ] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail, too; notes never do.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again whenever a file of the project changes, until Ctrl-C.")
    ] = False,
    profile: Profile = None,
) -> None:
    """Report every mistake of a project with its line, its column and the way out.

    By default nothing of the project runs: it is safe on a stranger's file, fast enough for every save, and needs
    neither network nor keys. Its Python is read as text, its widgets are rendered in a sandbox. What can't be decided
    in this way is a note.

    With --import the project is built as well, as serve does before it listens, in a process of its own that ends
    after --timeout. This runs the project's Python, and accepts exactly what serve accepts.

    With --connect that build also opens the project's store and asks the endpoints of its models: whether they can be
    reached, and take the keys.

    The profiles of a file are checked one by one, as far as the errors go that each would have; with --profile just
    this one is, in full.
    """
    from runtime.cli.commands.validate import validate_projects

    raise typer.Exit(
        validate_projects(
            paths or [Path()],
            output=output,
            strict=strict,
            build=build,
            connect=connect,
            timeout_s=timeout,
            base=base,
            watch=watch,
        )
    )


@app.command(epilog=_examples("explain A203", "explain"))
def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="A code that validate printed.", show_default="list them all")
    ] = None,
) -> None:
    """Say what a diagnostic's code means, why it matters, and what to do."""
    from runtime.cli.commands.explain import explain_code

    raise typer.Exit(explain_code(code))


@app.command(epilog=_examples("show", "show my-chat --format json", "show --resolved --profile prod"))
def show(
    path: Project = Path(),
    output: Annotated[Literal["yaml", "json"], typer.Option("--format", help="How to write it.")] = "yaml",
    resolved: Annotated[
        bool,
        typer.Option("--resolved", help="Say of each value where it comes from: file and line, profile, variables."),
    ] = False,
    profile: Profile = None,
) -> None:
    """Print the config as the runtime sees it: files and profile joined, variables resolved, defaults filled in.

    Secrets are hidden. With --resolved each value has a line of its own, with its origin behind it.
    """
    from runtime.cli.commands.show import show_project

    raise typer.Exit(show_project(path, output=output, origins=resolved))


@app.command(
    epilog=_examples(
        "client page --output web",
        "client page --output web --server /chatkit",
        "client types my-chat --output src/chatkit.ts",
        "client types --output src/chatkit.ts --check",
    )
)
def client(
    kind: Annotated[
        Literal["page", "handlers", "types"],
        typer.Argument(metavar="page|handlers|types", help="Which file.", show_default=False),
    ],
    path: Project = Path(),
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write this file, or into this folder, instead of printing."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 when the file of --output is missing or old.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(
            "--server", metavar="URL", help="Where the page finds the server. Default: the address in `server:`."
        ),
    ] = None,
    script: Annotated[
        str | None,
        typer.Option("--script", metavar="URL", help="ChatKit's component, hosted elsewhere than at OpenAI."),
    ] = None,
    profile: Profile = None,
) -> None:
    """Write what a web page needs to talk to the project: the page itself, or TypeScript for a page of your own.

    page is a whole page with ChatKit's component. It asks the server for its options, and calls handlers.js, which is
    written beside it once and then yours, for every client tool, effect and action of the browser.

    types is a TypeScript module: the types of client tools, effects and payloads, Handlers, which has to have a handler
    for each of them, and connect(), which connects them to the component. It needs @openai/chatkit.

    handlers prints a handlers.js with a handler for everything that agents.yaml declares now.

    Like validate, it runs nothing of the project: tools and effects that only its Python knows are not in the files.
    """
    from runtime.cli.commands.client import write_client

    raise typer.Exit(write_client(kind, path, output=output, check=check, server=server, script=script))


@app.command(
    epilog=_examples("schema --write", "schema --write my-chat", "schema > agents.schema.json", "schema --of included")
)
def schema(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Where --write writes: a file, or a project's folder."),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the file instead of printing: ./agents.schema.json, or FILE.")
    ] = False,
    of: Annotated[
        Literal["agents", "included", "profile"],
        typer.Option("--of", help="Of agents.yaml, of a file that 'include' names, or of one of the 'profiles'."),
    ] = "agents",
) -> None:
    """Print the JSON Schema of agents.yaml (Draft 2020-12), for editors and linters.

    An editor finds it through the first line of agents.yaml: # yaml-language-server: $schema=./agents.schema.json

    Files that are included may be partial, and have a schema of their own: --of included writes included.schema.json.
    """
    if file is not None and not write:
        raise UsageError("FILE needs --write (to print, leave FILE out)")
    from runtime.cli.commands.schema import print_schema, write_schema

    raise typer.Exit(write_schema(file or Path(), of) if write else print_schema(of))


# A help text keeps the line breaks of its docstring, which were made for this file and not for the reader's terminal.
for _command in app.registered_commands:
    _paragraphs = inspect.cleandoc(_command.callback.__doc__ or "").split("\n\n")
    _command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in _paragraphs)
