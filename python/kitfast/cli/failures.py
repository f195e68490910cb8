"""Tells people what went wrong: one `error:` line, one `hint:` line, no traceback."""

from __future__ import annotations

import re
import sys
import traceback

import typer

from kitfast.errors import KitfastError

# typer's own errors about flags and arguments. Its versions keep the class in different
# places; it is always what BadParameter, which is public, derives from.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def tell(error: BaseException, *, verbosity: int = 0) -> None:
    """Writes an error to standard error.

    Args:
        verbosity: 0 for people; 1 adds the traceback of what should never happen; 2 of all.
    """
    expected = isinstance(error, (KitfastError, UsageError, OSError))
    if verbosity >= (2 if expected else 1):
        traceback.print_exception(error, file=sys.stderr)
    message, hint = describe(error)
    sys.stderr.write(f"error: {printable(message)}\n")
    if hint:
        sys.stderr.write(f"hint: {printable(hint)}\n")


def describe(error: BaseException) -> tuple[str, str | None]:
    """What happened and what to do about it."""
    if isinstance(error, KitfastError):
        return str(error) or type(error).__name__, error.hint
    if isinstance(error, UsageError):
        return _usage(error)
    if isinstance(error, OSError):
        return _system(error), "check that it is there and may be used" if error.filename else None
    name = type(error).__name__
    return (
        f"unexpected {name}: {error}" if str(error) else f"unexpected {name}",
        "this is a fault in kitfast; please report it with the output of -v",
    )


def printable(text: str) -> str:
    """The text on one line, without the control characters that drive a terminal.

    Names in messages come from strangers' manifests and tars.
    """
    text = " ".join(text.split())
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _usage(error: Exception) -> tuple[str, str | None]:
    message = str(getattr(error, "format_message", lambda: error)()).strip().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "kitfast"
    return message[:1].lower() + message[1:], f"see `{command} --help`"


def _system(error: OSError) -> str:
    said = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {said}" if error.filename else said
