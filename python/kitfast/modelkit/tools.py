"""Runs the programs of others that kitfast asks: cosign, aws, gcloud."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence

from kitfast.errors import KitfastError, NotFound

# What is said of a failure: the end of what the program wrote, where the reason is.
TOLD = 2000
# None of them does more than a few requests.
LIMIT_SECONDS = 120.0


class ToolFailed(KitfastError):
    """Another program ended with a failure, or did not end."""

    default_hint = "run it by hand to see more"


async def ask(words: Sequence[str], *, missing: str) -> str:
    """Runs a program to its end; returns what it wrote to standard output.

    Args:
        words: the program and its arguments, which no shell sees.
        missing: the hint for those who do not have the program.

    Raises:
        NotFound: there is no such program.
        ToolFailed: it failed, or ran for longer than two minutes.
    """
    program = shutil.which(words[0])
    if program is None:
        raise NotFound(f"{words[0]}: no such program on PATH", what=words[0], hint=missing)
    child = await asyncio.create_subprocess_exec(
        program,
        *words[1:],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), LIMIT_SECONDS)
    except asyncio.TimeoutError:
        raise ToolFailed(f"{words[0]} has not ended after {LIMIT_SECONDS:.0f} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        said = err.decode("utf-8", "replace").strip()[-TOLD:]
        raise ToolFailed(f"{words[0]} failed with status {child.returncode}: {said or 'no word'}")
    return out.decode("utf-8", "replace")
