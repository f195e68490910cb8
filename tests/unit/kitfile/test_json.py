"""Tests configs from strangers, and Kitfiles that go through JSON and YAML."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kitfast.errors import Corrupt, InvalidArgument, InvalidKitfile
from kitfast.kitfile import json as kitfile_json
from kitfast.kitfile.model import (
    Code,
    Dataset,
    Docs,
    Kitfile,
    Model,
    ModelPart,
    Package,
    Prompt,
)
from kitfast.kitfile.parser import parse
from kitfast.kitfile.yaml import node_text, to_bytes, to_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUE = st.recursive(
    st.booleans() | st.integers(-999_999, 999_999) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def sorted_maps(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_maps(value[key]) for key in sorted(value)}
    return [sorted_maps(item) for item in value] if isinstance(value, list) else value


VALUES = st.none() | VALUE.map(sorted_maps)
KITFILES = st.builds(
    Kitfile,
    manifest_version=TEXT,
    package=st.builds(
        Package, name=TEXT, version=TEXT, description=TEXT, license=TEXT,
        authors=st.lists(TEXT, max_size=3).map(tuple),
    ),
    model=st.none() | st.builds(
        Model, name=TEXT, path=st.just("m"), framework=TEXT, parameters=VALUES,
        parts=st.lists(st.builds(ModelPart, name=TEXT, path=st.just("p")), max_size=1).map(tuple),
    ),
    code=st.lists(st.builds(Code, path=st.just("c"), license=TEXT), max_size=1).map(tuple),
    datasets=st.lists(
        st.builds(Dataset, path=st.just("d"), remote_path=TEXT, parameters=VALUES), max_size=1
    ).map(tuple),
    docs=st.lists(st.builds(Docs, path=st.just("e"), description=TEXT), max_size=1).map(tuple),
    prompts=st.lists(st.builds(Prompt, path=st.just("f"), name=TEXT), max_size=1).map(tuple),
    mcp_servers=VALUES,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(KITFILES)
def test_kitfile_survives_json_and_yaml(kitfile: Kitfile) -> None:
    assert kitfile_json.from_bytes(kitfile_json.to_bytes(kitfile)) == kitfile
    digests = [("sha256:a", "sha256:b")] * len(kitfile.entries())
    filled = kitfile.with_digests(digests)
    assert kitfile_json.from_bytes(kitfile_json.to_bytes(filled)) == filled
    assert filled.without_digests() == kitfile
    assert parse(to_bytes(filled)) == kitfile


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b'{"model": []}', "not an object"),
        (b'{"model": {"path": 1}}', r"model\.path is a whole number"),
        (b'{"code": {}}', "not a list"),
        (b'{"code": [1]}', "not an object"),
        (b'{"code": [{"path": null}, {"path": []}]}', r"code\[1\]\.path is a list"),
        (b'{"package": {"authors": [1]}}', "list of strings"),
        (b'{"package": {"authors": "Ann"}}', "not a list"),
        (b'{"docs": [{"digest": 5}]}', "digest is a whole number"),
    ],
)
def test_broken_config_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(Corrupt, match=what):
        kitfile_json.from_bytes(data)


def test_fields_of_newer_kits_are_left_out() -> None:
    data = b'{"manifestVersion":"2","new":{"a":1},"code":[{"path":"c","new":[]}],"model":null}'
    assert kitfile_json.from_bytes(data) == Kitfile(manifest_version="2", code=(Code(path="c"),))


def test_digests_must_pair_up_with_entries() -> None:
    with pytest.raises(InvalidArgument, match="2 layers for 1 entries"):
        Kitfile(code=(Code(path="c"),)).with_digests([("a", "b")] * 2)


def test_parts_are_printed_alone() -> None:
    kitfile = Kitfile(
        package=Package(authors=("a", "b: c")),
        model=Model(name="n", parts=(ModelPart(path="p"),), parameters={"x10": 1, "x9": 2.5e6}),
        mcp_servers=[{"name": "s"}],
    )
    assert node_text(kitfile, "model.name") == '"n"\n'
    assert node_text(kitfile, ".Model.Parts") == "- path: p\n"
    assert node_text(kitfile, "model.parameters") == "x9: 2.5e+06\nx10: 1\n"
    assert node_text(kitfile, "package.authors") == "[a, 'b: c']\n"
    assert node_text(kitfile, "docs") == "[]\n"
    assert node_text(kitfile, "mcpServers") == "- name: s\n"
    assert node_text(Kitfile(), "model") == "null\n"
    for selector in ("colour", "model.colour", "model.parts.path", ""):
        with pytest.raises(InvalidArgument, match="no part of a Kitfile"):
            node_text(kitfile, selector)


def test_number_beyond_doubles_is_no_kitfile() -> None:
    with pytest.raises(InvalidKitfile):
        parse(b"model:\n  parameters: -.inf\n")
    with pytest.raises(InvalidArgument, match="too large"):
        to_text(Kitfile(mcp_servers=10**400))
