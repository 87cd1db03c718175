"""The commands `data …` and `migrate`, their options and their help texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from runtime.cli.options import Project

User = Annotated[str, Option("--user", metavar="ID", help="The id of the user, who owns the threads.")]

data_app = typer.Typer(
    help="Export, erase, move and encrypt what a project has stored.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@data_app.command()
def export(
    user: User,
    path: Project = Path(),
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FOLDER", help="The folder to write to; must be new or empty.")
    ] = None,
) -> int:
    """Write everything that is stored of a user to a folder.

    data.jsonl has a line of JSON for each thread, item (hidden ones and summaries too), rating, attachment and count of
    tokens; files/ has the attachments. The exit code is 1 if nothing is stored of the user.
    """
    from runtime.cli.commands.data import export_user

    return export_user(path, user, output)


@data_app.command()
def erase(
    user: User,
    path: Project = Path(),
    yes: Annotated[bool, Option("--yes", help="Do not ask for a confirmation.")] = False,
    rewrite: Annotated[
        bool, Option("--rewrite/--no-rewrite", help="Rewrite the database, so that no deleted byte is left in it.")
    ] = True,
) -> int:
    """Delete everything that is stored of a user: threads, items, ratings, summaries, attachments and token usage.

    A database keeps the bytes of deleted rows in its files until they are overwritten. --rewrite removes them: it locks
    PostgreSQL's tables, and fails on a SQLite file that other processes are reading. Backups, and PostgreSQL's log of
    transactions, are not changed.
    """
    from runtime.cli.commands.data import erase_user

    return erase_user(path, user, confirmed=yes, rewrite=rewrite)


@data_app.command()
def move(
    source: Annotated[str, Argument(metavar="FROM", help="A project folder, or the URL of a store.")],
    target: Annotated[str, Argument(metavar="TO", help="The same for an empty store.")],
) -> int:
    """Copy all threads of a store to an empty one, such as from SQLite to PostgreSQL. Stop the server first.

    ${NAME} in a URL is replaced by the environment variable, so that no password is in the list of processes:

    chatkit-runtime data move my-chat 'postgresql://chat:${PASSWORD}@db/chat'

    Ids, order, times, ratings, token usage and encrypted texts are copied as they are. Attached files stay in place.
    """
    from runtime.cli.commands.data import move_store

    return move_store(source, target)


@data_app.command()
def encrypt(
    path: Project = Path(),
    rewrite: Annotated[
        bool, Option("--rewrite/--no-rewrite", help="Rewrite the database, so that no unencrypted byte is left in it.")
    ] = True,
) -> int:
    """Encrypt everything that is not encrypted with the first key of `store.encrypt`.

    Run it after you have added a key, while the server runs with the same keys. After that, older keys can be removed.
    It can be stopped and started again at any time. --rewrite does what it does for `data erase`.
    """
    from runtime.cli.commands.data import encrypt_store

    return encrypt_store(path, rewrite=rewrite)


@data_app.command()
def key() -> int:
    """Print a new random key for `store.encrypt`."""
    from runtime.cli.commands.data import print_new_key

    return print_new_key()


@data_app.command()
def audit(path: Project = Path()) -> int:
    """Print what was exported, erased, moved, migrated and encrypted: a line of JSON each.

    The subject of an entry is the SHA-256 of the user's id.
    """
    from runtime.cli.commands.data import print_audit_log

    return print_audit_log(path)


def migrate(
    place: Annotated[
        str, Argument(metavar="PATH", help="The project folder, or the URL of a store.", show_default="./agents.yaml")
    ] = ".",
    check: Annotated[bool, Option("--check", help="Change nothing; exit with 1 if a migration is pending.")] = False,
) -> int:
    """Migrate the schema of a project's store to the version that this release needs.

    A server does so when it starts. Run it ahead of a rollout, or with --check in a deployment's tests. A server of an
    earlier release does not start on a migrated database; one that already runs continues.
    """
    from runtime.cli.commands.data import migrate_store

    return migrate_store(place, check=check)
