"""Tests manifests from strangers: every field checked, nothing ambiguous."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitfast.errors import Corrupt, UnsupportedArtifact
from kitfast.oci import digest
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import Index, Manifest, parse, parse_manifest
from kitfast.oci.mediatypes import DOCKER_MANIFEST, MODELKIT_CONFIG, OCI_INDEX, OCI_MANIFEST

HASH = digest.of(b"x")
CONFIG = {"mediaType": MODELKIT_CONFIG, "digest": HASH, "size": 1}
GOOD: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": CONFIG,
    "layers": [{**CONFIG, "mediaType": "a/b", "annotations": {"k": "v"}}],
}


def of(value: object) -> bytes:
    return json.dumps(value).encode()


def with_layer(**fields: object) -> bytes:
    return of({**GOOD, "layers": [{**CONFIG, **fields}]})


def test_good_manifest_is_read() -> None:
    manifest = parse_manifest(of(GOOD), OCI_MANIFEST + "; charset=utf-8")
    layer = Descriptor("a/b", HASH, 1, {"k": "v"})
    assert manifest == Manifest(Descriptor(MODELKIT_CONFIG, HASH, 1), (layer,))
    assert hash(manifest) == hash(parse_manifest(of(GOOD)))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not valid JSON"),
        (of({**GOOD, "config": None}), "not a descriptor"),
        (of({**GOOD, "config": {}}), "config.size"),
        (of({**GOOD, "layers": {}}), "not a list"),
        (of({**GOOD, "layers": [1]}), "a whole number, not an object"),
        (of({**GOOD, "annotations": {"a": 1}}), "not a string"),
        (of({**GOOD, "annotations": []}), "not an object"),
        (of({**GOOD, "artifactType": 5}), "not a string"),
        (of({**GOOD, "mediaType": True}), "true or false, not a string"),
        (of({**GOOD, "subject": []}), "not a descriptor"),
        (with_layer(size=-1), "not a size"),
        (with_layer(size=True), "true or false"),
        (with_layer(size=1.5), "a number, not a whole number"),
        (with_layer(size=2**63), "not a size"),
        (with_layer(size=10**400), "too large"),
        (with_layer(digest="sha256:abc"), "not a digest"),
        (with_layer(digest=HASH.upper()), "not a digest"),
        (with_layer(digest="sha512:" + "a" * 128), "not sha256"),
        (with_layer(digest=7), "not a digest"),
        (with_layer(mediaType=""), "mediaType is missing"),
        (with_layer(annotations={"a": "\ud800"}), "not Unicode"),
        (of({**GOOD, "manifests": []}), "both a manifest and an index"),
        (of({**GOOD, "mediaType": OCI_INDEX}), "not the"),
        (b'{"schemaVersion": 2, "layers": [], "layers": [1]}', "stands twice"),
        (b'{"schemaVersion": NaN}', "NaN is not JSON"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "levels deep"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": [' + b"1," * 300_000 + b"1]}", "more than 250000 values"),
        (b" " * (4 * 2**20 + 1), "larger than 4 MiB"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "manifest"),
    ],
)  # fmt: skip
def test_broken_manifest_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(Corrupt, match=what):
        parse(data)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({**GOOD, "schemaVersion": 1}, "schemaVersion 1"),
        ({**GOOD, "schemaVersion": True}, "schemaVersion True"),
        ({"mediaType": "application/vnd.docker.distribution.manifest.v1+json"}, "first schema"),
        ({**GOOD, "mediaType": "text/plain"}, "text/plain"),
    ],
)
def test_unknown_kind_is_named(value: object, what: str) -> None:
    with pytest.raises(UnsupportedArtifact, match=what):
        parse(of(value))


def test_registry_and_manifest_must_agree() -> None:
    with pytest.raises(Corrupt, match="says it is"):
        parse(of(GOOD), DOCKER_MANIFEST)
    with pytest.raises(Corrupt, match="not the"):
        parse(of({**GOOD, "mediaType": ""}), OCI_INDEX)


def test_index_of_one_is_followed_and_of_more_is_not() -> None:
    entry = {"mediaType": OCI_MANIFEST, "digest": HASH, "size": 5}
    attestation = {**entry, "platform": {"os": "unknown", "architecture": "unknown"}}
    index = parse(of({"schemaVersion": 2, "manifests": [entry, attestation]}))
    assert isinstance(index, Index)
    assert index.only() == Descriptor(OCI_MANIFEST, HASH, 5)
    for entries, hint in (([entry, entry], HASH), ([], None)):
        index = parse(of({"schemaVersion": 2, "manifests": entries}))
        assert isinstance(index, Index)
        with pytest.raises(UnsupportedArtifact) as caught:
            index.only()
        assert hint is None or hint in str(caught.value.hint)
    with pytest.raises(UnsupportedArtifact, match="index"):
        parse_manifest(of({"schemaVersion": 2, "manifests": []}))


def test_written_manifest_reads_back() -> None:
    manifest = Manifest(
        Descriptor(MODELKIT_CONFIG, HASH, 0),
        (Descriptor("a/b", HASH, 2**60, {"b": "<", "a": "é"}, ("https://x",), "t"),),
        {"z": "1", "a": "2"},
        "application/x",
        subject=Descriptor("a/b", HASH, 3),
    )
    assert parse_manifest(manifest.to_bytes()) == manifest
    assert b'{"a":"2","z":"1"}' in manifest.to_bytes()
    assert b"\\u003c" in manifest.to_bytes()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(HASH),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["schemaVersion", "config", "layers", "digest", "size", "mediaType"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    base = {"schemaVersion": 2, "config": CONFIG}
    for document in (value, {**base, "layers": value}, {**base, "layers": [value]}):
        try:
            assert isinstance(parse(of(document)), (Manifest, Index))
        except (Corrupt, UnsupportedArtifact) as error:
            assert str(error)
