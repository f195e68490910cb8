"""Digests as text: `sha256:` and 64 lower-case hexadecimal digits."""

from __future__ import annotations

import hashlib
import re

from kitfast.errors import InvalidArgument

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_ANY = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+")


def is_digest(text: str) -> bool:
    """Tells whether `text` is a digest kitfast can verify."""
    return _SHA256.fullmatch(text) is not None


def check(text: object) -> str:
    """Returns `text` when it is a sha256 digest (image-spec 1.1, descriptor, Digests).

    Raises `InvalidArgument` otherwise; a digest of another algorithm is named as such,
    because kitfast verifies everything and can verify sha256 only.
    """
    if isinstance(text, str):
        if is_digest(text):
            return text
        if _ANY.fullmatch(text) and not text.startswith("sha256:"):
            raise InvalidArgument(
                f"digest {text[:80]} is not sha256, the only kind kitfast verifies"
            )
    raise InvalidArgument(
        f"{str(text)[:80]!r} is not a digest",
        hint="a digest is `sha256:` followed by 64 hexadecimal digits in lower case",
    )


def of(data: bytes) -> str:
    """Returns the digest of `data`, which is small enough to be in memory."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
