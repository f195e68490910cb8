"""Tests references: kit's grammar, its display form, and errors that help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitfast.errors import InvalidReference
from kitfast.oci.reference import Reference, is_kit_reference, parse, parse_repository

HASH = "sha256:" + "4a" * 32
READ = [
    ("r.io/org/repo:tag", "r.io", "org/repo", ("tag",), None),
    ("r.io/org/repo:a,b,c", "r.io", "org/repo", ("a", "b", "c"), None),
    ("repo:a,b,a", "localhost", "repo", ("a", "b"), None),
    ("localhost:5000/org/repo:t", "localhost:5000", "org/repo", ("t",), None),
    ("[::1]:5000/repo", "[::1]:5000", "repo", ("latest",), None),
    (HASH, "localhost", "_", (), HASH),
    ("a/b/c/d", "localhost", "a/b/c/d", ("latest",), None),
    ("test.io/a/b", "test.io", "a/b", ("latest",), None),
    (f"repo@{HASH}", "localhost", "repo", (), HASH),
    (f"repo:ignored@{HASH}", "localhost", "repo", (), HASH),
    (f"r.io/repo@{HASH}", "r.io", "repo", (), HASH),
    ("a__b/c.d/e---f", "localhost", "a__b/c.d/e---f", ("latest",), None),
]


@pytest.mark.parametrize(("text", "registry", "repository", "tags", "digest"), READ)
def test_reads_what_kit_reads(
    text: str, registry: str, repository: str, tags: tuple[str, ...], digest: str | None
) -> None:
    reference = parse(text)
    assert reference == Reference(registry, repository, tags, digest)
    assert parse(str(reference)) == reference
    assert reference.is_local == (registry == "localhost")
    assert reference.is_bare_digest == (text == HASH)
    assert reference.target == (digest or tags[0])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("localhost/repo", "localhost/repo:latest"),
        ("repo", "repo:latest"),
        ("r.io/a:x,y", "r.io/a:x,y"),
        (HASH, HASH),
        (f"repo:t@{HASH}", f"repo@{HASH}"),
    ],
)
def test_shows_no_more_than_was_said(text: str, shown: str) -> None:
    assert str(parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "write it as"),
        ("Org/repo", "lower-case"),
        ("https://r.io/repo", "leave out"),
        ("repo:", "a tag is"),
        ("repo:a,,b", "a tag is"),
        ("repo:" + "t" * 129, "a tag is"),
        ("repo:-t", "a tag is"),
        ("repo@sha256:short", "after `@`"),
        ("repo@", "after `@`"),
        ("-repo", "words joined"),
        ("repo/", "words joined"),
        ("a//b", "words joined"),
        ("a___b", "words joined"),
        ("r.io/", "r.io/team/model:v1"),
        ("Bad Ref:v1", "such as 'bad-ref'"),
        ("Org/Repo", "such as 'org/repo'"),
        ("bad_host.io:5/repo", "host name"),
        ("r.io:99999/repo", "host name"),
        ("r.io:0/repo", "host name"),
        ("repo:a b", "a tag is"),
        ("repo:a\n", "a tag is"),
    ],
)
def test_refuses_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(text)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_too_long_is_refused() -> None:
    with pytest.raises(InvalidReference, match="too long"):
        parse("a" * 5000)


def test_tags_apart_and_anew() -> None:
    reference = parse("r.io/a:x,y")
    assert [str(one) for one in reference.each()] == ["r.io/a:x", "r.io/a:y"]
    assert str(reference.with_tag("z")) == "r.io/a:z"
    assert parse(f"r.io/a@{HASH}").each() == (parse(f"r.io/a@{HASH}"),)
    with pytest.raises(InvalidReference):
        reference.with_tag("a:b")


def test_repository_alone() -> None:
    assert parse_repository("r.io:80/a/b").name == "r.io:80/a/b"
    for text in ("r.io/a:latest", f"a@{HASH}"):
        with pytest.raises(InvalidReference, match="more than a repository"):
            parse_repository(text)


def test_path_of_a_model_may_be_a_kit() -> None:
    assert is_kit_reference("r.io/base:v1")
    assert is_kit_reference("base:v1")
    assert is_kit_reference(f"base@{HASH}")
    for path in ("model.gguf", "a/b/model", "C:\\model", "./m:x", "Model:v1"):
        assert not is_kit_reference(path)


@given(st.text(alphabet="aA0._-/:@,[]\n ", max_size=20))
def test_anything_is_read_the_same_twice_or_refused(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidReference as error:
        assert error.hint
        return
    assert parse(str(reference)) == reference


@pytest.mark.parametrize("text", ["-Repo", "A//b", "repo/", "..."])
def test_suggests_no_name_that_is_invalid_too(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(text)
    assert "such as" not in str(caught.value.hint)
