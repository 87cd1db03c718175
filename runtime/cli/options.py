"""The arguments and options that several commands have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

PROFILE_VARIABLE = "CHATKIT_PROFILE"


def select_profile(name: str | None) -> None:
    """Let the project be loaded with this profile; None changes nothing."""
    # An environment variable, so that child processes use the same profile.
    if name is not None:
        os.environ[PROFILE_VARIABLE] = name


Project = Annotated[
    Path, Argument(metavar="PATH", help="The project folder, or its agents.yaml.", show_default="./agents.yaml")
]
Port = Annotated[
    int | None, Option("--port", "-p", min=0, max=65535, help="The port; 0 takes any free port. Default: server.port.")
]

Profile = Annotated[
    str | None,
    Option(
        "--profile",
        metavar="NAME",
        help=f"Apply this profile of the file; {PROFILE_VARIABLE} does the same.",
        callback=select_profile,
        expose_value=False,
    ),
]
LastGood = Annotated[bool, Option("--last-good", help="If the files have errors, serve the last good version.")]
