"""Tests how broken and hostile Kitfiles are refused: with line, fault and hint."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitfast.errors import InvalidKitfile
from kitfast.kitfile.model import Code, Kitfile, Model, ModelPart
from kitfast.kitfile.parser import parse

BROKEN = [
    ("", None, "empty"),
    ("# nothing\n", None, "empty"),
    ("~\n", None, "empty"),
    ("just text\n", 1, "not a map"),
    ("- a\n", 1, "is a list"),
    ("model: [\n", 2, "not YAML"),
    ("a: 1\n\tb: 2\n", 2, "not YAML"),
    ("model:\n  path: m\n  colour: red\n", 3, "no field `colour`"),
    ("Model:\n  path: m\n", 1, "no field `Model`"),
    ("model:\n  digest: sha256:00\n", 2, "no field `digest`"),
    ("model:\n  path: m\n  path: n\n", 3, "stands twice"),
    ("model:\n  - path: m\n", 2, "not a map"),
    ("code:\n  path: m\n", 2, "not a list"),
    ("code: m\n", 1, "not a list"),
    ("code:\n  - m\n", 2, "not a map"),
    ("package:\n  authors: Ann\n", 2, "not a list"),
    ("package:\n  authors: [[Ann]]\n", 2, "not text"),
    ("package:\n  name: {a: b}\n", 2, "not text"),
    ("model:\n  path: /etc/passwd\n", 2, "absolute"),
    ("model:\n  path: ' /etc/passwd'\n", 2, "absolute"),
    ("code:\n  - path: a/../../b\n", 2, "leads out"),
    ("code:\n  - path: ..\n", 2, "leads out"),
    ('code:\n  - path: "a\\0b"\n', 2, "not a path"),
    ("code:\n  - path: m\ndocs:\n  - path: ./m/\n", 4, "same path 'm'"),
    ("code:\n  - path: .\n  - path: ''\n", 3, "same path '.'"),
    ("model:\n  parts:\n  - path: p\n    type: a b\n", 4, "is not allowed"),
    ("model:\n  parts:\n  - path: p\n    type: -a\n", 4, "is not allowed"),
    (f"model:\n  parts:\n  - path: p\n    type: {'t' * 65}\n", 4, "is not allowed"),
    ("model:\n  parameters:\n    1: one\n", 3, "not text"),
    ("model:\n  parameters: {a: .inf}\n", 2, "no number JSON"),
    ("model:\n  parameters: {[a]: b}\n", 2, "not a word"),
    ("model:\n  parameters: {<<: text}\n", 2, "takes a map"),
    ("model:\n  parameters: *gone\n", 2, "stands for nothing"),
    ("model:\n  parameters: &a [*a]\n", 2, "larger than"),
    ("model:\n  parameters: &a {<<: *a}\n", 2, "larger than"),
    ("code: []\n---\ncode: []\n", 2, "second document"),
    ("package:\n  name: !!binary '/w=='\n", 2, "no UTF-8"),
]


@pytest.mark.parametrize(("text", "line", "what"), BROKEN, ids=[case[2] for case in BROKEN])
def test_fault_is_named_with_its_line(text: str, line: int | None, what: str) -> None:
    with pytest.raises(InvalidKitfile) as caught:
        parse(text.encode(), "k/Kitfile")
    where = "k/Kitfile" if line is None else f"k/Kitfile:{line}"
    assert str(caught.value).startswith(f"{where}: ")
    assert what in str(caught.value)
    assert caught.value.line == line


def test_unknown_field_hints_at_the_known() -> None:
    with pytest.raises(InvalidKitfile) as caught:
        parse(b"docs:\n  - path: a\n    license: MIT\n")
    assert caught.value.hint == "fields of an item of `docs` are: path, description"


def billion_laughs() -> bytes:
    lines = ["model:", "  parameters:", "    a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 12):
        refs = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"    a{level}: &a{level} [{refs}]")
    return "\n".join(lines).encode()


def merged_laughs() -> bytes:
    refs = ", ".join(["*n"] * 3000)
    again = ", ".join(["*m"] * 3000)
    more = ", ".join(["*l"] * 3000)
    return (
        f"model:\n  parameters:\n    n: &n {{}}\n    m: &m {{<<: [{refs}]}}\n"
        f"    l: &l {{<<: [{again}]}}\n    k: {{<<: [{more}]}}\n"
    ).encode()


@pytest.mark.parametrize(
    "data",
    [
        billion_laughs(),
        merged_laughs(),
        b"[" * 100_000,
        b"a: " * 100_000,
        b"- " * 100_000,
        b"model:\n  parameters: " + b"{a: " * 70 + b"1" + b"}" * 70,
        b"a" * (5 * 1024 * 1024),
        b"model:\n  parameters: [" + b"1," * 300_000 + b"]",
        b"\xff\xfe\x00",
        b"\x00\x01\x02",
        b"name: \xff",
        b"? " * 50_000,
    ],
    ids=range(12),
)
def test_bombs_are_refused_quickly(data: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidKitfile):
        parse(data)
    assert time.perf_counter() - started < 10


@given(st.text(alphabet="model: path-[]{}&*a<\n\"'|>!#?,1.", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text.encode())
    except InvalidKitfile as error:
        assert str(error).startswith("Kitfile")
    else:
        assert isinstance(found, Kitfile)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        assert isinstance(parse(data), Kitfile)
    except InvalidKitfile as error:
        assert str(error).startswith("Kitfile")


def test_merge_keys_fill_in_but_never_replace() -> None:
    text = b"""
code:
  - &base
    path: a
    license: MIT
  - <<: *base
    path: b
"""
    assert parse(text).code == (Code(path="a", license="MIT"), Code(path="b", license="MIT"))


def test_model_may_be_another_kit() -> None:
    kitfile = parse(b"model:\n  path: r.io/base:v1\n  parts:\n    - path: lora\n")
    assert kitfile.model is not None
    assert kitfile.model.parent == "r.io/base:v1"
    assert [kind for kind, _ in kitfile.entries()] == ["modelpart"]
    filled = kitfile.with_digests([("sha256:1", "sha256:2")])
    assert filled.model == Model(
        path="r.io/base:v1",
        parts=(ModelPart(path="lora", digest="sha256:1", diff_id="sha256:2"),),
    )
    assert filled.without_digests() == kitfile
