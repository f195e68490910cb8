"""Every setting and environment variable: the home folder and the network.

The only module that looks at the environment for kitfast's own settings. A value
given in code or as a flag always wins over a variable, and a variable over the
default. An empty variable counts as unset.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kitfast.errors import InvalidArgument

HOME = "KITFAST_HOME"
PROGRESS = "KITFAST_PROGRESS"
LOG_LEVEL = "KITFAST_LOG_LEVEL"
# A login that is not kept on disk; it names its registry, and goes to that one alone.
REGISTRY = "KITFAST_REGISTRY"
USERNAME = "KITFAST_USERNAME"
PASSWORD = "KITFAST_PASSWORD"

# Whether digests of single files are published at push, and used where they were.
FILE_DIGESTS = "KITFAST_FILE_DIGESTS"

# One field of Network, the variables that set it, in the order they are asked.
# The KITOPS_ names are kit's own: whoever has them set for kit need not repeat them.
NETWORK: Mapping[str, tuple[str, ...]] = {
    "plain_http": ("KITFAST_PLAIN_HTTP",),
    "tls_verify": ("KITFAST_TLS_VERIFY",),
    "tls_cert": ("KITFAST_TLS_CERT",),
    "cert": ("KITFAST_CERT", "KITOPS_CLIENT_CERT"),
    "key": ("KITFAST_KEY", "KITOPS_CLIENT_KEY"),
    "proxy": ("KITFAST_PROXY",),
    "concurrency": ("KITFAST_CONCURRENCY",),
    "connections": ("KITFAST_CONNECTIONS",),
    "part_size": ("KITFAST_PART_SIZE",),
    "max_rate": ("KITFAST_MAX_RATE",),
    "workers": ("KITFAST_WORKERS",),
    "mirror": ("KITFAST_MIRRORS",),
}

_COUNTS = ("concurrency", "connections", "workers")

# Smaller parts than this spend more time on requests than on bytes.
SMALLEST_PART = 64 * 1024

_TRUE = frozenset({"1", "t", "true", "yes", "on"})
_FALSE = frozenset({"0", "f", "false", "no", "off"})
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Network:
    """How registries are reached; every field has a flag and a variable of its name.

    Fields:
        plain_http: speak HTTP instead of HTTPS.
        tls_verify: check certificates.
        tls_cert: files of further authorities to trust, PEM.
        cert, key: the client certificate and its key, PEM; `key` may be inside `cert`.
        proxy: the proxy's URL, instead of the one the environment names.
        concurrency: blobs in flight at once.
        connections: connections at once at most, all blobs together; None begins with 8 and
            takes up to 32 where that is faster; 1 asks for no ranges.
        part_size: bytes a ranged request asks for; None lets the transfer choose.
        max_rate: bytes a second of all blobs and connections together; None for no limit.
        workers: threads that hash and compress, which connections are fitted to; None for as
            many as there are cores.
        mirror: hosts that pulls ask before a reference's own registry, in order; one that is
            written `registry.example=HOST` stands in for that registry alone.

    Raises:
        InvalidArgument: a count below 1, a part too small, a rate of nothing, or a key
            without certificate.
    """

    plain_http: bool = False
    tls_verify: bool = True
    tls_cert: tuple[str, ...] = ()
    cert: str | None = None
    key: str | None = None
    proxy: str | None = None
    concurrency: int = 5
    connections: int | None = None
    part_size: int | None = None
    max_rate: int | None = None
    workers: int | None = None
    mirror: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _COUNTS:
            number = getattr(self, name)
            if number is not None and number < 1:
                raise InvalidArgument(
                    f"{name} is {number}: must be at least 1",
                    hint="leave it out for the default",
                )
        if self.part_size is not None and self.part_size < SMALLEST_PART:
            raise InvalidArgument(
                f"part size is {self.part_size} bytes: must be at least {SMALLEST_PART}",
                hint="leave it out: the transfer chooses well",
            )
        if self.max_rate is not None and self.max_rate < 1:
            raise InvalidArgument(
                "the highest rate is 0 bytes a second: nothing would ever come",
                hint="leave it out for no limit",
            )
        if self.key and not self.cert:
            raise InvalidArgument("a client key needs its certificate", hint="add --cert PATH")

    def as_flags(self) -> str:
        """The flags, each after a space, that a command needs to reach the same registry.

        No proxy is among them: its address may hold a password.
        """
        words = ["--plain-http"] if self.plain_http else []
        words += [] if self.tls_verify else ["--tls-verify=false"]
        for flag, path in (
            *(("--tls-cert", path) for path in self.tls_cert),
            ("--cert", self.cert),
            ("--key", self.key),
        ):
            words += [flag, shlex.quote(path)] if path else []
        return "".join(f" {word}" for word in words)


def network(environ: Mapping[str, str] | None = None, **given: Any) -> Network:
    """The network settings: what is `given` and not None, else the environment's, else defaults.

    Raises:
        InvalidArgument: an unknown field, or a value that cannot be read, by its name.
    """
    environ = os.environ if environ is None else environ
    known = {field.name for field in fields(Network)}
    if unknown := sorted(set(given) - known):
        raise InvalidArgument(f"no such network setting: {', '.join(unknown)}")
    chosen = {name: value for name, value in given.items() if value is not None}
    # What is given hides its variable, even one that cannot be read.
    return Network(**_from_environment(environ, known - set(chosen)), **chosen)


def home(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the store: `given`, else KITFAST_HOME, else the user's data folder.

    KITOPS_HOME is not read: kit's home holds kit's own formats, and sharing a folder
    would invite each tool to tidy away what the other keeps there.
    """
    if given is not None:
        return Path(given).expanduser().absolute()
    if named := os.environ.get(HOME):
        return Path(named).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification (0.8): a relative path is invalid and to be ignored.
    base = Path(data) if Path(data).is_absolute() else _user() / ".local" / "share"
    return base / "kitfast"


def file_digests(given: bool | None = None, *, otherwise: bool = True) -> bool:
    """Whether to publish or use digests of single files: `given`, the variable, `otherwise`.

    Raises:
        InvalidArgument: the variable is neither yes nor no.
    """
    if given is not None:
        return given
    text = os.environ.get(FILE_DIGESTS)
    return boolean(text, FILE_DIGESTS) if text else otherwise


def _user() -> Path:
    """The user's home, or `/` as in containers whose user nobody knows."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def login(host: str, environ: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """The username (may be empty) and password the environment holds for `host`, if any."""
    environ = os.environ if environ is None else environ
    if environ.get(REGISTRY) != host or not environ.get(PASSWORD):
        return None
    return environ.get(USERNAME, ""), environ[PASSWORD]


def boolean(text: str, name: str) -> bool:
    """Reads yes or no as people and Go programs write them; `name` is for the error.

    Raises:
        InvalidArgument: it is neither.
    """
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidArgument(f"{name} is {text!r}", hint="write true or false")


def byte_count(text: str, name: str) -> int:
    """Reads a number of bytes, with k, M or G (also KiB, MB, …) for powers of 1024.

    Raises:
        InvalidArgument: it is no such number.
    """
    match = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", text.strip().lower(), re.ASCII)
    if match is None:
        raise InvalidArgument(
            f"{name} is {text!r}: no number of bytes", hint="write it as 8388608 or 8MiB"
        )
    return int(match[1]) * _UNITS[match[2]]


def _from_environment(environ: Mapping[str, str], wanted: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in sorted(wanted):
        variable = next((name for name in NETWORK[field] if environ.get(name)), None)
        if variable is not None:
            found[field] = _value(field, environ[variable], variable)
    return found


def _value(field: str, text: str, variable: str) -> Any:
    if field in ("plain_http", "tls_verify"):
        return boolean(text, variable)
    if field in ("part_size", "max_rate"):
        return byte_count(text, variable)
    if field == "tls_cert":
        return tuple(part for part in text.split(os.pathsep) if part)
    if field == "mirror":
        return tuple(text.replace(",", " ").split())
    if field in _COUNTS:
        if not text.strip().isascii() or not text.strip().isdigit():
            raise InvalidArgument(
                f"{variable} is {text!r}", hint="set it to a whole number, or unset it"
            )
        return int(text)
    return text
