"""Parses `WWW-Authenticate`: what a registry wants to see before it answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

HEADER_LIMIT = 8 * 1024
MAX_CHALLENGES = 8

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SPACE = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"[ \t,]*")
_BARE = re.compile(r"[^\s,\"]*")


@dataclass(frozen=True)
class Challenge:
    """One way of being let in: the scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse(headers: Iterable[str]) -> list[Challenge]:
    """Reads all challenges of all `WWW-Authenticate` headers (RFC 9110 §11.6.1).

    Several challenges may share one header, and parameters may be quoted or bare; what
    cannot be read ends its header, and what was read before it counts.

    Args:
        headers: The headers' values, hostile.

    Returns:
        The challenges in order, bounded in number.
    """
    found: list[Challenge] = []
    for header in headers:
        found += _parse_one(header[:HEADER_LIMIT])
    return found[:MAX_CHALLENGES]


def _parse_one(text: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = _skip(_BETWEEN, text, 0)
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            break
        after = _skip(_SPACE, text, token.end())
        if after < len(text) and text[after] == "=" and found:
            value, at = _value(text, _skip(_SPACE, text, after + 1))
            found[-1].parameters.setdefault(token.group().lower(), value)
        else:
            found.append(Challenge(token.group().lower()))
            at = after
        at = _skip(_BETWEEN, text, at)
    return found


def _value(text: str, at: int) -> tuple[str, int]:
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted.group(1)), quoted.end()
    bare = _BARE.match(text, at)
    # An opening quote without its end matches nothing here, and parsing stops behind it.
    end = bare.end() if bare is not None else at
    return text[at:end], end


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match is not None else at
