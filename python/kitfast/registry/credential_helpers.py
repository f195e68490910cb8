"""Asks Docker's credential helpers, programs of their own, for a login."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from typing import Any

from ..errors import KitfastError
from .credential_files import Login, from_pair

# A helper may open a keychain and ask its owner for a password.
HELPER_SECONDS = 120.0
NOT_FOUND = b"credentials not found"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class HelperFailed(KitfastError):
    """A credential helper is missing, failed, or answered something else than a login."""


async def ask(name: str, server: str) -> Login | None:
    """Runs `docker-credential-NAME get` and returns the login it prints.

    Args:
        name: What follows `docker-credential-`.
        server: The registry, as the helper knows it.

    Returns:
        The login, or None when the helper holds none for it.

    Raises:
        HelperFailed: It cannot be run or does not answer with a login.
    """
    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise HelperFailed(f"{name[:40]!r} is not the name of a credential helper")
    found = shutil.which(program)
    if found is None:
        raise HelperFailed(f"{program} is not installed")
    status, output = await _run(found, program, server)
    if status != 0:
        if NOT_FOUND in output.lower():
            return None
        # Its output may hold anything, a secret as well: only the status is told.
        raise HelperFailed(f"{program} failed with status {status}")
    return _parse(output, program)


async def _run(found: str, program: str, server: str) -> tuple[int, bytes]:
    try:
        process = await asyncio.create_subprocess_exec(
            found,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise HelperFailed(f"{program} cannot be run: {error.strerror}") from error
    try:
        output, _ = await asyncio.wait_for(process.communicate(server.encode()), HELPER_SECONDS)
    except asyncio.TimeoutError as error:
        raise HelperFailed(f"{program} did not answer in {HELPER_SECONDS:.0f} seconds") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output


def _parse(output: bytes, program: str) -> Login | None:
    try:
        document: Any = json.loads(output)
    except (ValueError, RecursionError) as error:
        raise HelperFailed(f"{program} did not answer in JSON") from error
    name, secret = (
        (document.get("Username"), document.get("Secret"))
        if isinstance(document, dict)
        else (None, None)
    )
    if not isinstance(name, str) or not isinstance(secret, str):
        raise HelperFailed(f"{program} did not answer with a login")
    login = from_pair(name, secret, program)
    return login if login.usable else None
