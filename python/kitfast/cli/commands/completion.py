"""`kitfast completion`: prints the script that completes words in a shell."""

from __future__ import annotations

import os
from enum import Enum
from typing import Annotated

from typer import Argument

from kitfast.cli.options import verb
from kitfast.cli.session import Session


class Shell(str, Enum):
    """The shells typer writes scripts for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    powershell = "powershell"


def completion(
    session: Session,
    shell: Annotated[Shell, Argument(metavar="bash|zsh|fish|powershell", help="The shell.")],
) -> None:
    """Print the script that completes kitfast's words in a shell."""
    from kitfast.cli.app import command

    # The way typer's own scripts ask for it; public, where its functions are not.
    os.environ["_KITFAST_COMPLETE"] = f"source_{shell.value}"
    command()(args=[], prog_name="kitfast")


VERBS = (
    verb(
        completion,
        """
source <(kitfast completion bash)
kitfast completion zsh > ~/.zfunc/_kitfast
kitfast completion fish | source
""",
        reports=False,
    ),
)
