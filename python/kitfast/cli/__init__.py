"""The command line: reads arguments, calls the public API, shows what it returns."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from kitfast import tenancy
from kitfast.cli.collector import spared


def program() -> int:
    """The program `kitfast`: `main` for what its command line says, in its own process."""
    if sys.stderr is None:  # closed, as by `2>&-`: there is nobody to tell, and that is all
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 (no pathlib before a verb)
    tenancy.alone = True
    try:
        with spared():
            return main()
    except KeyboardInterrupt:  # while it imports what it needs: no verb has begun
        sys.stderr.write("\n")
        return 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0, 1 for any failure, 130 for Ctrl-C.

    `version` is answered before anything else is imported: scripts ask for it often,
    and typer alone takes three times as long to import as Python to start.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["version"], ["--version"]):
        from kitfast.cli.render.output import write
        from kitfast.cli.render.version import text

        return write(text())
    from kitfast.cli.process import run

    return run(words)
