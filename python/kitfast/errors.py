"""The exceptions kitfast raises, each with what, where and a hint.

Rust raises the ones of the first part by name (see `rust/py/src/errors.rs`).
Where Python has a word for a failure, the class has two parents, so that
`except FileNotFoundError` works as a reader expects.
"""

from __future__ import annotations

from typing import Any


class KitfastError(Exception):
    """Any failure kitfast reports; `str()` says what and where, `hint` what to do.

    Keyword arguments become attributes (`path`, `what`, `expected`, …).
    """

    default_hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint
        for name, value in fields.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return self.message


# Raised by the core.


class FileError(KitfastError, OSError):
    """The operating system refused an operation on a file; `path` and `errno` say which."""

    default_hint = "check the path, who owns it, and its permissions"


class NoSpace(KitfastError, OSError):
    """The disk, or a quota on it, is full."""

    default_hint = "free some space, or choose another folder; what is done so far is kept"


class DigestMismatch(KitfastError, ValueError):
    """Bytes do not have the digest they were promised to have."""

    default_hint = "the data was damaged on its way or at its source; nothing of it was kept"


class Corrupt(KitfastError, ValueError):
    """Stored or received data is not what its format says."""

    default_hint = "it was damaged after it was made: get it, pull it or pack it again"


class UnsafeMember(KitfastError, ValueError):
    """A tar member that must not be written: it escapes, collides, or is a link or device."""

    default_hint = "the artifact is broken or hostile; do not trust it"


class NotFound(KitfastError, FileNotFoundError):
    """Something that was named is not there."""

    default_hint = "check how it is written; `kitfast list` shows the kits in the store"


class AlreadyExists(KitfastError, FileExistsError):
    """A file that is already there and must not be replaced."""

    default_hint = "use --overwrite to replace it, or --ignore-existing to keep it"


class SourceChanged(KitfastError, OSError):
    """A file changed while it was read."""

    default_hint = "wait until nothing writes to it, then try again"


class Busy(KitfastError, BlockingIOError):
    """Another process, or another call of this one, is working on the same blob."""

    default_hint = "wait until the other one is done; what it fetches need not be fetched again"


class Cancelled(KitfastError):
    """The call was cancelled."""


class InvalidArgument(KitfastError, ValueError):
    """An argument outside its contract."""


class InternalError(KitfastError, RuntimeError):
    """A fault of kitfast itself."""

    default_hint = "please report this, with what you ran and the whole message"


# Raised by Python.


class InvalidReference(KitfastError, ValueError):
    """A reference that does not follow `[registry/]repository[:tag|@digest]`."""

    default_hint = "write it as registry/repository:tag, with the repository in lower case"


class InvalidKitfile(KitfastError, ValueError):
    """A Kitfile that cannot be used; `line` (from 1) says where, when it is known."""

    default_hint = "correct the Kitfile there, or let `kitfast init` write one to start from"

    line: int | None = None


class UnsupportedArtifact(KitfastError, ValueError):
    """A manifest of a kind kitfast does not read."""

    default_hint = "kitfast reads ModelKits, ModelPack artifacts and files pushed by oras"


class RegistryError(KitfastError):
    """A registry refused a request; `status` is the HTTP status, `code` the OCI error code.

    `transient` says whether the same request may succeed later, `retry_after` after how
    many seconds at least, when the registry said so.
    """

    default_hint = "try again later, or ask whoever runs the registry"

    status: int | None = None
    code: str | None = None
    transient: bool = False
    retry_after: float | None = None


class AuthenticationFailed(RegistryError, PermissionError):
    """The registry refused the credentials, or asked for some and there were none."""

    default_hint = "log in with `kitfast login REGISTRY`"


class NotInRegistry(RegistryError, NotFound):
    """The registry does not hold what was asked for."""

    default_hint = "check its name and its tag; `kitfast list REGISTRY/REPOSITORY` shows the tags"


class ConnectionFailed(KitfastError, ConnectionError):
    """A host could not be reached, or the connection broke and retries did not help."""

    default_hint = "check the host name and the network, then try again"

    transient: bool = True


class SignatureRefused(KitfastError, PermissionError):
    """A kit is not signed by whom it should be."""

    default_hint = "do not use the kit; whoever publishes it can say with which key it is signed"


class ProtocolError(RegistryError):
    """A registry answered in a way the distribution specification does not allow."""


class RangeRefused(ProtocolError):
    """A registry, or its storage, does not give a range of a blob, or not all of it."""

    default_hint = "--connections 1 asks for no ranges"
