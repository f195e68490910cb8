"""References, `[registry/]repository[:tag[,tag…]|@digest]`, as kit reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kitfast.errors import InvalidReference
from kitfast.oci.digest import is_digest

LOCAL_REGISTRY = "localhost"
# Stands for "no repository" where a bare digest names a kit of the local store.
NO_REPOSITORY = "_"
DEFAULT_TAG = "latest"

_MAX_LENGTH = 4096
_GRAMMAR = "[registry/]repository[:tag|@sha256:…]"
# distribution-spec 1.1, "Pulling manifests".
_REPOSITORY = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")


@dataclass(frozen=True)
class Reference:
    """Where a kit is: a registry, a repository, and tags or a digest.

    Both `tags` and `digest` are never set together: as in kit, a digest wins over a tag.
    """

    registry: str
    repository: str
    tags: tuple[str, ...] = ()
    digest: str | None = None

    @property
    def tag(self) -> str | None:
        """The first tag, or None where a digest stands."""
        return self.tags[0] if self.tags else None

    @property
    def target(self) -> str:
        """What a registry is asked for: the digest, else the first tag."""
        return self.digest or self.tags[0]

    @property
    def is_local(self) -> bool:
        """Whether no registry was named, so that only the local store can hold it."""
        return self.registry == LOCAL_REGISTRY

    @property
    def is_bare_digest(self) -> bool:
        """Whether this is a digest alone, naming a kit of the local store."""
        return self.repository == NO_REPOSITORY

    @property
    def name(self) -> str:
        """Registry and repository as kit shows them; empty for a bare digest."""
        return _shown(self.registry, self.repository)

    def with_tag(self, tag: str) -> Reference:
        """Returns the same repository with `tag` alone; raises `InvalidReference`."""
        return replace(self, tags=(_checked_tag(tag, tag),), digest=None)

    def each(self) -> tuple[Reference, ...]:
        """Returns one reference for each tag, or itself where a digest stands."""
        if self.digest is not None:
            return (self,)
        return tuple(replace(self, tags=(tag,)) for tag in self.tags)

    def __str__(self) -> str:
        if self.digest is None:
            return f"{self.name}:{','.join(self.tags)}"
        return f"{self.name}@{self.digest}" if self.name else self.digest


def parse(text: str) -> Reference:
    """Reads a reference.

    The first part is a registry only if it holds `.` or `:`; without one the reference is
    local. No tag means `latest`. Raises `InvalidReference`, with a hint that says what is
    wrong about it.
    """
    if len(text) > _MAX_LENGTH:
        raise InvalidReference(f"a reference of {len(text)} characters is too long")
    if is_digest(text):
        return Reference(LOCAL_REGISTRY, NO_REPOSITORY, digest=text)
    if not text.strip():
        raise InvalidReference("the reference is empty", hint=f"write it as {_GRAMMAR}")
    if "://" in text:
        raise InvalidReference(
            f"{text!r} is an address, not a reference", hint="leave out the part up to `://`"
        )
    registry, rest = _split_registry(text)
    if not rest:
        raise InvalidReference(
            f"{text!r} names a registry and no repository in it",
            hint=f"put the repository behind it, as in {registry}/team/model:v1",
        )
    repository, at, digest = rest.partition("@")
    repository, colon, tags = repository.partition(":")
    _check_repository(repository, text)
    if at:
        if not is_digest(digest):
            raise InvalidReference(
                f"{digest!r} in {text!r} is not a digest",
                hint="after `@` comes `sha256:` and 64 hexadecimal digits in lower case",
            )
        return Reference(registry, repository, digest=digest)
    if not colon:
        return Reference(registry, repository, (DEFAULT_TAG,))
    return Reference(registry, repository, _tags(tags, text))


def parse_repository(text: str) -> Reference:
    """Reads a repository without tag or digest, as `list` takes it; raises `InvalidReference`."""
    reference = parse(text)
    if reference.digest is not None or ":" in _split_registry(text)[1]:
        raise InvalidReference(
            f"{text!r} names more than a repository", hint="leave out the tag or digest"
        )
    return reference


def is_kit_reference(text: str) -> bool:
    """Tells whether a `model.path` names another kit instead of a file.

    As kit has it: it parses as a reference and says which registry, tag or digest it means;
    a plain word is always a path.
    """
    if not re.search(r"[:@]", text):
        return False
    try:
        parse(text)
    except InvalidReference:
        return False
    return True


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not ("." in first or ":" in first):
        return LOCAL_REGISTRY, text
    if _HOST.fullmatch(first) is None or not _port_fits(first):
        raise InvalidReference(
            f"{first!r} in {text!r} is not a registry",
            hint="a registry is a host name with an optional port, as in `registry.example:5000`",
        )
    return first, rest


def _port_fits(host: str) -> bool:
    _, colon, port = host.rpartition(":")
    return not colon or not port.isdigit() or 0 < int(port) < 65536


def _check_repository(repository: str, text: str) -> None:
    if _REPOSITORY.fullmatch(repository):
        return
    if not repository:
        hint = f"write it as {_GRAMMAR}"
    else:
        hint = "a repository is lower-case words joined by `/`, `.`, `_` or `-`"
        valid = _nearest_valid(repository)
        hint += f", such as {valid!r}" if valid else ""
    raise InvalidReference(f"{repository!r} in {text!r} is not a repository", hint=hint)


def _nearest_valid(repository: str) -> str | None:
    """The name in lower case, each stretch of what no name may hold a hyphen; None without one."""
    valid = re.sub(r"[^a-z0-9/._-]+", "-", repository.lower())
    return valid if _REPOSITORY.fullmatch(valid) else None


def _tags(tags: str, text: str) -> tuple[str, ...]:
    # A tag given twice is the same tag.
    return tuple(dict.fromkeys(_checked_tag(tag, text) for tag in tags.split(",")))


def _checked_tag(tag: str, text: str) -> str:
    if _TAG.fullmatch(tag):
        return tag
    raise InvalidReference(
        f"{tag!r} in {text!r} is not a tag",
        hint="a tag is up to 128 letters, digits, `.`, `_` and `-`, and starts with none of `.-`",
    )


def _shown(registry: str, repository: str) -> str:
    """Leaves out the parts kit fills in itself."""
    if repository == NO_REPOSITORY:
        return ""
    return repository if registry == LOCAL_REGISTRY else f"{registry}/{repository}"
