"""Flags as Go spells them reach typer in its own spelling, values untouched."""

from __future__ import annotations

import pytest

from kitfast.cli.arguments import Flags, rewrite
from kitfast.errors import InvalidArgument

FLAGS = Flags(
    switches={
        "--tls-verify": ("--tls-verify", "--no-tls-verify"),
        "--no-tls-verify": ("--no-tls-verify", "--tls-verify"),
        "--overwrite": ("--overwrite", None),
        "-o": ("--overwrite", None),
        "-i": ("-i", None),
    },
    valued=frozenset({"--file", "-f", "--tag"}),
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--tls-verify=false x", "--no-tls-verify x"),
        ("--tls-verify=TRUE", "--tls-verify"),
        ("--no-tls-verify=0", "--tls-verify"),
        ("--overwrite=true", "--overwrite"),
        ("--overwrite=F a b", "a b"),
        ("-o=true", "--overwrite"),
        ("-o=false", ""),
        ("-io=1", "-i --overwrite"),
        ("-f=Kitfile", "-f Kitfile"),
        ("-fKitfile", "-f Kitfile"),
        ("-of=model", "-o -f model"),
        ("-oi", "-oi"),
        ("-f -o=true", "-f -o=true"),
        ("--file --overwrite=true", "--file --overwrite=true"),
        ("--file=--overwrite=true", "--file=--overwrite=true"),
        ("--tag", "--tag"),
        ("-- --overwrite=true", "-- --overwrite=true"),
        ("--unknown=true -x=1 -", "--unknown=true -x=1 -"),
    ],
)
def test_rewriting(given: str, expected: str) -> None:
    assert rewrite(given.split(), FLAGS) == expected.split()


def test_an_empty_value_stays_one() -> None:
    assert rewrite(["-f=", "x"], FLAGS) == ["-f", "", "x"]


def test_words_after_the_verb_belong_to_the_verb() -> None:
    words = ["--overwrite=1", "--file", "a", "verb", "--overwrite=1"]
    expected = ["--overwrite", "--file", "a", "verb", "--overwrite=1"]
    assert rewrite(words, FLAGS, until_first_argument=True) == expected


def test_neither_true_nor_false_is_an_error() -> None:
    with pytest.raises(InvalidArgument, match="--tls-verify is 'maybe'"):
        rewrite(["--tls-verify=maybe"], FLAGS)
