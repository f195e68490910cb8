"""What a registry's refusal becomes: one exception, with host, reason and hint."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitfast.errors import AuthenticationFailed, NotInRegistry, RegistryError
from kitfast.registry.errcodes import TEXT_LIMIT, Ask, clean, error_for
from kitfast.settings import Network

ASK = Ask("registry.test", "read the manifest v1", "models/one")


def body(code: str, message: str = "") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": {}}]}).encode()


@pytest.mark.parametrize(
    ("status", "sent", "kind", "hint", "transient"),
    [
        (401, body("UNAUTHORIZED"), AuthenticationFailed, "kitfast login", False),
        (403, body("DENIED"), AuthenticationFailed, "no right", False),
        (403, b"", AuthenticationFailed, "no right", False),
        (404, body("NAME_UNKNOWN"), NotInRegistry, "check the repository's name", False),
        (
            404,
            body("MANIFEST_UNKNOWN"),
            NotInRegistry,
            "kitfast list registry.test/models/one",
            False,
        ),
        (404, body("BLOB_UPLOAD_UNKNOWN"), NotInRegistry, None, False),
        (404, b"<html>nothing here</html>", NotInRegistry, "OCI registry", False),
        (400, body("MANIFEST_BLOB_UNKNOWN"), RegistryError, "push it again", False),
        (405, body("UNSUPPORTED"), RegistryError, "does not offer", False),
        (405, b"", RegistryError, "does not offer", False),
        (413, b"<html>too large</html>", RegistryError, "limit", False),
        (429, body("TOOMANYREQUESTS"), RegistryError, "--concurrency", True),
        (429, b"", RegistryError, "--concurrency", True),
        (500, b"", RegistryError, "later", True),
        (502, b"<html>", RegistryError, "later", True),
        (503, b"", RegistryError, "later", True),
        (501, b"", RegistryError, "later", False),
        (507, b"", RegistryError, "disk is full", False),
    ],
)
def test_each_refusal(
    status: int, sent: bytes, kind: type[RegistryError], hint: str | None, transient: bool
) -> None:
    error = error_for(status, {}, sent, ASK)
    assert type(error) is kind
    assert str(error).startswith("registry.test/models/one: cannot read the manifest v1: ")
    assert f"(HTTP {status})" in str(error)
    assert error.status == status
    assert error.transient is transient
    if hint is not None:
        assert hint in str(error.hint)


def test_what_the_registry_says_is_repeated() -> None:
    sent = json.dumps(
        {"errors": [{"code": "DENIED", "message": "quota used up"}, {"code": "OTHER"}]}
    ).encode()
    error = error_for(403, {}, sent, ASK)
    assert "quota used up; OTHER" in str(error)
    assert error.code == "DENIED"


def test_a_short_plain_text_is_repeated() -> None:
    error = error_for(400, {}, b"Client sent an HTTP request to an HTTPS server.\n", ASK)
    assert "Client sent an HTTP request" in str(error)


def test_retry_after_is_kept() -> None:
    assert error_for(429, {"Retry-After": "7"}, b"", ASK).retry_after == 7
    assert error_for(429, {}, b"", ASK).retry_after is None


HOSTILE = [
    b"[" * 100_000,
    b'{"errors":' + b"[" * 15_000,
    b'{"errors": [1, null, "x", {"message": {"a": 1}}, {"code": 5}]}',
    b'{"errors": {"code": "x"}}',
    b'{"errors": []}',
    b'"errors"',
    b"\xff\xfe\x00",
    b"\x1b[2J\x1b]0;title\x07",
    json.dumps({"errors": [{"code": "x\x1b[31m", "message": "m\n\n\x1b[2J" * 10_000}]}).encode(),
    json.dumps({"errors": [{"message": "m"}] * 10_000}).encode(),
]


@pytest.mark.parametrize("sent", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies(sent: bytes) -> None:
    error = error_for(400, {}, sent, ASK)
    assert len(str(error)) < 4 * TEXT_LIMIT
    assert str(error).isprintable()


@given(st.integers(300, 999), st.binary(max_size=200), st.text(max_size=50))
def test_anything_becomes_one_line(status: int, sent: bytes, after: str) -> None:
    error = error_for(status, {"Retry-After": after}, sent, ASK)
    assert str(error).isprintable()


def test_clean() -> None:
    assert clean("a\n\tb\x00c \x1b[0m") == "a b c [0m"
    assert clean("x" * 1000, 10) == "x" * 9 + "…"


def test_an_unknown_repository_is_told_from_an_unknown_manifest() -> None:
    error = error_for(404, {}, body("NAME_UNKNOWN", "no such name"), ASK)
    assert "the registry has no such repository (HTTP 404)" in str(error)
    error = error_for(404, {}, body("MANIFEST_UNKNOWN"), ASK)
    assert "no such repository" not in str(error)
    assert "check the repository's name" in str(error.hint)


@pytest.mark.parametrize(
    ("status", "code", "command"),
    [
        (404, "MANIFEST_UNKNOWN", "`kitfast list registry.test/models/one --plain-http`"),
        (404, "NAME_UNKNOWN", "`kitfast login registry.test --plain-http`"),
        (401, "UNAUTHORIZED", "`kitfast login registry.test --plain-http`"),
    ],
)
def test_commands_in_hints_reach_the_same_registry(status: int, code: str, command: str) -> None:
    error = error_for(status, {}, body(code), ASK, Network(plain_http=True))
    assert command in str(error.hint)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 410, 413, 429, 500, 501, 507])
def test_no_hint_speaks_of_the_account_where_storage_answers(status: int) -> None:
    for sent in (body("NAME_UNKNOWN"), body("UNAUTHORIZED"), b""):
        error = error_for(status, {}, sent, ASK, storage="storage.test:9000")
        assert "the storage storage.test:9000 answers: " in str(error)
        assert error.hint and "kitfast" not in error.hint and "account" not in error.hint
    assert ("the proxy wants credentials" in str(error.hint)) is (status == 407)


def test_an_encoded_refusal_is_told_by_its_status() -> None:
    sent = gzip.compress(body("DENIED", "no"), mtime=0)
    error = error_for(418, {"Content-Encoding": "gzip"}, sent, ASK)
    assert str(error).endswith("I'm a Teapot (HTTP 418)")
