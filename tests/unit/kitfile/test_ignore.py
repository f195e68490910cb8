"""Tests `.kitignore` against moby's rules and against patterns made to be slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitfast.errors import InvalidKitfile
from kitfast.kitfile.ignore import parse

# What moby's patternmatcher 0.6 answers: (file, paths that match, paths that do not).
MOBY = [
    ("*.log", ["a.log"], ["s/a.log", "a.log.x"]),
    ("**/*.log", ["a.log", "s/a.log", "s/t/a.log"], ["a.txt"]),
    ("build/", ["build", "build/x", "build/x/y"], ["s/build", "build2"]),
    ("/rooted", ["rooted"], ["s/rooted"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a/b/c"], ["ab", "a/xb"]),
    ("a/**", ["a/x", "a/x/y"], ["a", "ab"]),
    ("**", ["a", "a/b"], []),
    ("**foo", ["foo", "xfoo", "a/xfoo"], ["foox"]),
    ("a**b", ["ab", "ax/b"], ["axb"]),
    ("?", ["a", "a/b"], ["ab"]),
    ("[a-c]x", ["ax", "cx"], ["dx"]),
    ("[^a-c]x", ["dx"], ["ax"]),
    ("\\*", ["*"], ["a"]),
    ("x\n!x/keep", ["x", "x/a"], ["x/keep", "x/keep/b"]),
    ("!x\nx", ["x"], []),
    ("*\n!a\na/b", ["c", "a/b"], ["a", "a/c"]),
    ("# note\n\n  b  \r\n", ["b"], ["# note", "a"]),
    ("\ufeffc", ["c"], []),
    ("./d/../e", ["e"], ["d"]),
    ("", ["Kitfile", "kitfile", ".kitfile", ".kitignore"], ["s/Kitfile", "a"]),
    ("!Kitfile", ["Kitfile"], []),
]


@pytest.mark.parametrize(("file", "yes", "no"), MOBY, ids=[repr(case[0]) for case in MOBY])
def test_agrees_with_moby(file: str, yes: list[str], no: list[str]) -> None:
    ignore = parse(file.encode())
    assert [path for path in yes + no if ignore.matches(path)] == yes


@pytest.mark.parametrize("pattern", ["[", "[]", "[a", "[a-]", "[-a]", "a\\", "!", "x" * 5000])
def test_bad_pattern_is_named_with_its_line(pattern: str) -> None:
    with pytest.raises(InvalidKitfile, match=r"\.kitignore:3") as caught:
        parse(f"ok\n# note\n{pattern}\n".encode())
    assert caught.value.line == 3


def test_huge_file_is_refused() -> None:
    with pytest.raises(InvalidKitfile, match="larger than"):
        parse(b"a\n" * 600_000)


@pytest.mark.parametrize("pattern", ["*a" * 60 + "b", "**/" * 60 + "b", "**/*a" * 40 + "b"])
def test_many_wildcards_take_no_longer(pattern: str) -> None:
    ignore = parse(pattern.encode())
    started = time.perf_counter()
    assert not ignore.matches("a/" * 60 + "a" * 130)
    assert time.perf_counter() - started < 1


@given(st.text(alphabet="ab*?/[]!\\-^ #.\n", max_size=30), st.text(alphabet="ab/.", max_size=12))
def test_any_file_is_read_or_refused(file: str, path: str) -> None:
    try:
        ignore = parse(file.encode())
    except InvalidKitfile:
        return
    assert ignore.matches(path) in (True, False)
