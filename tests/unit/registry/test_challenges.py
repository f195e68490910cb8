"""Reads `WWW-Authenticate` as registries write it, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitfast.registry.challenges import MAX_CHALLENGES, Challenge, parse
from kitfast.registry.tokens import merge

BEARER = {"realm": "https://auth.test/token", "service": "registry.test"}


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="a, b = c"', [Challenge("basic", {"realm": "a, b = c"})]),
        ("Basic", [Challenge("basic")]),
        (
            'Bearer realm="https://auth.test/token",service="registry.test",scope="a:b:c d:e:f"',
            [Challenge("bearer", BEARER | {"scope": "a:b:c d:e:f"})],
        ),
        (
            "BEARER Realm=https://auth.test/token , SERVICE = registry.test",
            [Challenge("bearer", BEARER)],
        ),
        (
            'Negotiate, Basic realm="x", Bearer realm="y"',
            [
                Challenge("negotiate"),
                Challenge("basic", {"realm": "x"}),
                Challenge("bearer", {"realm": "y"}),
            ],
        ),
        (
            r'Basic realm="a \"quoted\" \\ one"',
            [Challenge("basic", {"realm": r'a "quoted" \ one'})],
        ),
        ('Bearer realm="first", realm="second"', [Challenge("bearer", {"realm": "first"})]),
        ('Bearer realm="never ends', [Challenge("bearer", {"realm": ""})]),
        ("", []),
        (",,, ,", []),
        ('"', []),
        ('="x"', []),
    ],
)
def test_headers(header: str, challenges: list[Challenge]) -> None:
    assert parse([header]) == challenges


def test_several_headers_and_their_bound() -> None:
    assert [found.scheme for found in parse(["Basic", "Bearer"])] == ["basic", "bearer"]
    assert len(parse(["Basic, " * 10_000] * 10)) == MAX_CHALLENGES


@given(st.lists(st.text(max_size=200), max_size=3))
def test_anything_is_taken(headers: list[str]) -> None:
    for challenge in parse(headers):
        assert challenge.scheme == challenge.scheme.lower()


def test_scopes_are_joined_by_resource() -> None:
    mine = ("repository:a/b:pull,push",)
    assert merge(mine, "") == mine
    assert merge(mine, "repository:a/b:pull") == mine
    assert merge(mine, "repository:a/b:delete repository:c:pull") == (
        "repository:a/b:delete,pull,push",
        "repository:c:pull",
    )
    assert merge((), "registry:catalog:*") == ("registry:catalog:*",)
    assert merge(mine, "nonsense : :x") == mine


@given(st.text(max_size=100))
def test_any_scope_is_joined(asked: str) -> None:
    assert "repository:a:pull" in merge(("repository:a:pull",), asked.replace("repository", ""))
