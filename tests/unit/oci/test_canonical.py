"""Tests that JSON is written as Go writes it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitfast.errors import InvalidArgument
from kitfast.oci.canonical import dump_bytes, dumps, number


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (1e-6, "0.000001"), (1e-7, "1e-7"), (123456789.5, "123456789.5"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (-2.5e-10, "-2.5e-10"),
    ],
)  # fmt: skip
def test_floats_as_go(value: float, written: str) -> None:
    assert number(value) == written


def test_strings_as_go() -> None:
    assert dumps('<&>"\\\b\f\n\r\t\x00\x1f\x7f\u2028\u2029é/') == (
        r'"\u003c\u0026\u003e\"\\\b\f\n\r\t\u0000\u001f' + "\x7f" + r'\u2028\u2029é/"'
    )


def test_indent_as_go() -> None:
    assert dumps({"a": [], "b": {}, "c": [1, {"d": None}], "e": True}, 2) == (
        '{\n  "a": [],\n  "b": {},\n  "c": [\n    1,\n    {\n      "d": null\n    }\n  ],\n'
        '  "e": true\n}'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgument):
        dumps(value)


def test_names_that_are_not_text_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"w\\udcff\.bin"):
        dump_bytes({"name": "w\udcff.bin"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
)


@given(JSON)
def test_reads_back_as_it_was(value: object) -> None:
    assert json.loads(dumps(value)) == value
    assert json.loads(dumps(value, 2)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_as_they_were(value: float) -> None:
    assert float(json.loads(number(value))) == value
