"""Names of files in kits: one spelling of each, and where a file may not go."""

from __future__ import annotations

import posixpath
import re

from kitfast.errors import UnsafeMember

# Longer than any path Linux opens.
_MAX_BYTES = 4095
_DRIVE = re.compile(r"[A-Za-z]:")


def clean(path: str) -> str:
    """Returns a path as every spelling of it is compared: `./a//b/` and `a/b` are one."""
    cleaned = posixpath.normpath(path.strip() or ".")
    # POSIX keeps two leading slashes apart from one; Go, and so kit, does not.
    return "/" + cleaned.lstrip("/") if cleaned.startswith("/") else cleaned


def check_name(name: str, where: str) -> str:
    """Returns a file's name in one spelling when it stays in its folder.

    The core checks again when it writes; refusing here means that nothing is fetched for
    an artifact that cannot be unpacked. `where` names the layer in errors.
    Raises `UnsafeMember`.
    """
    problem = _problem(name)
    if problem:
        raise UnsafeMember(f"{where}: the file name {name[:120]!r} {problem}", what=where)
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _problem(name: str) -> str:
    # A backslash separates on other systems: what is harmless here may harm there.
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        return "is absolute"
    if ".." in parts:
        return "leads out of the folder"
    if "\0" in name or not any(part not in ("", ".") for part in parts):
        return "is not a name"
    if len(name.encode("utf-8", "surrogateescape")) > _MAX_BYTES:
        return "is too long"
    if name.endswith(("/", "/.")):
        return "is that of a folder"
    return ""
