"""The list of a kit's files: the same each time, and nothing hostile gets through."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from kitfast.errors import Corrupt
from kitfast.modelkit.filelist import (
    MOST_FILES,
    ListedFile,
    ListedFolder,
    ListedLayer,
    Member,
    dump,
    listed,
    named,
    parse,
)
from kitfast.oci.descriptor import Descriptor

KIT = "sha256:" + "ab" * 32
HASH = "blake3:" + "cd" * 32
LAYER = Descriptor("application/x", "sha256:" + "ef" * 32, 10_240)
LARGE = Descriptor("application/x", "sha256:" + "12" * 32, 10 << 30)
MEMBERS: list[Member] = [
    ("w", 512, 0, 0o755, None, b""),
    ("w/one", 1024, 600, 0o644, HASH, b""),
    ("w/two é", 2560, 0, 0o600, HASH, b""),
]
Change = Callable[[dict[str, Any]], object]


def document() -> dict[str, Any]:
    layers = [listed(LAYER, MEMBERS), listed(LARGE, MEMBERS[:2])]
    made = dump(KIT, [layer for layer in layers if layer is not None])
    assert made is not None
    value: dict[str, Any] = json.loads(made[0])
    return value


def read(value: dict[str, Any]) -> dict[str, ListedLayer]:
    return parse(json.dumps(value).encode(), KIT, [LAYER, LARGE])


def test_it_comes_back_as_it_was() -> None:
    assert read(document())[LAYER.digest] == ListedLayer(
        LAYER.digest,
        LAYER.size,
        (ListedFile("w/one", 1024, 600, 0o644, HASH), ListedFile("w/two é", 2560, 0, 0o600, HASH)),
        (ListedFolder("w", 0o755),),
    )


def test_of_a_layer_of_one_file_the_name_comes_back() -> None:
    value = document()
    only = ListedLayer(LARGE.digest, LARGE.size, (), (ListedFolder("w", 0o755),), ("w/one",))
    assert read(value)[LARGE.digest] == only == named(LARGE, ["w/one"], [ListedFolder("w", 0o755)])
    # Readers from before these were listed take what they know; and so are older lists read.
    assert [layer["digest"] for layer in value["layers"]] == [LAYER.digest]
    del value["whole"]
    assert list(read(value)) == [LAYER.digest]


def test_layers_that_come_whole_anyway_are_not_listed() -> None:
    assert listed(LAYER, MEMBERS[:2]) is None
    assert named(LAYER, ["w/one"], []) is None
    assert listed(LAYER, []) is None
    assert dump(KIT, []) is None


@pytest.mark.parametrize("name", ["\udcff", "../w", "/w", "w//x", "C:x", "w\\..\\x", "w\0"])
def test_layers_with_names_that_cannot_be_written_are_not_listed(name: str) -> None:
    assert listed(LAYER, [*MEMBERS, (name, 5120, 1, 0o644, HASH, b"")]) is None
    assert named(LARGE, [name], []) is None
    assert named(LARGE, ["good"], [ListedFolder(name, 0o755)]) is None


def test_it_is_never_larger_than_a_reader_takes() -> None:
    def layer(files: int, length: int) -> ListedLayer:
        name = "n" * length
        many = [ListedFile(f"{name}{at}", 512 + at * 1024, 1, 0o644, HASH) for at in range(files)]
        return ListedLayer(LAYER.digest, 1 << 40, tuple(many), ())

    assert dump(KIT, [layer(MOST_FILES + 1, 1)]) is None
    assert dump(KIT, [layer(5000, 1000)]) is None
    largest = layer(MOST_FILES, 20)
    made = dump(KIT, [largest, layer(2, 1)])
    assert made is not None
    data, values = made
    assert values == b""
    known = parse(data, KIT, [Descriptor("x", LAYER.digest, 1 << 40)])
    assert known == {LAYER.digest: largest}
    names = tuple(f"{at}" for at in range(MOST_FILES))
    assert dump(KIT, [ListedLayer(LARGE.digest, LARGE.size, (), (), (*names, "x"))]) is None
    assert dump(KIT, [ListedLayer(LARGE.digest, LARGE.size, (), (), names), largest]) != made
    # What follows a layer that does not fit is listed all the same.
    assert dump(KIT, [layer(MOST_FILES + 1, 1), layer(5000, 1000), largest]) == made


def first(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = value["layers"][0]["files"][0]
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(version=2),
        lambda v: v.update(kit="sha256:" + "00" * 32),
        lambda v: v.update(layers={}),
        lambda v: v["layers"].append(v["layers"][0]),
        lambda v: v["layers"][0].update(digest=KIT),
        lambda v: v.update(whole={}),
        lambda v: v["whole"].append(v["whole"][0]),
        lambda v: v["whole"].append(v["layers"][0]),
        lambda v: v["whole"][0].update(size=10_241),
        lambda v: v["whole"][0].update(files=["w/one"]),
        lambda v: v["whole"][0]["files"].append({"name": "w/one"}),
        lambda v: v["whole"][0]["files"].append({"name": "w"}),
        lambda v: v["whole"][0]["files"].append({"name": "w/one/in"}),
        lambda v: v["whole"][0]["files"].append({"name": "../one"}),
        lambda v: v["whole"][0]["folders"].append({"name": "../one", "mode": 493}),
        lambda v: v["layers"][0]["files"][0].pop("digest"),
        lambda v: v["layers"][0].update(size=10_241),
        lambda v: v["layers"][0]["files"].reverse(),
        lambda v: v["layers"][0]["files"].append(v["layers"][0]["files"][1]),
        lambda v: v["layers"][0]["folders"].append({"name": "w/one", "mode": 493}),
        lambda v: v["layers"][0]["folders"].append({"name": "..", "mode": 493}),
        lambda v: first(v).update(name="../one"),
        lambda v: first(v).update(name="/one"),
        lambda v: first(v).update(name="w/../one"),
        lambda v: first(v).update(name=""),
        lambda v: first(v).update(name=7),
        lambda v: first(v).update(name="w/" * 256 + "one"),
        lambda v: v["layers"][0]["folders"].append({"name": "w/one/in", "mode": 493}),
        lambda v: first(v).update(name="w/two é"),
        lambda v: first(v).update(name="w/two é/in"),
        lambda v: first(v).update(offset=0),
        lambda v: first(v).update(offset=1025),
        lambda v: first(v).update(offset=-512),
        lambda v: first(v).update(offset=1024.0),
        lambda v: first(v).update(offset=True),
        lambda v: first(v).update(size=1_600),
        lambda v: first(v).update(size=2**63),
        lambda v: first(v).update(size=None),
        lambda v: v["layers"][0]["files"][1].update(size=7_681),
        lambda v: first(v).update(mode=0o10000),
        lambda v: first(v).update(digest="sha256:" + "cd" * 32),
        lambda v: first(v).update(digest="blake3:" + "CD" * 32),
        lambda v: first(v).update(digest=HASH + "\n"),
    ],
)
def test_a_hostile_one_is_refused_whole(change: Change) -> None:
    value = document()
    change(value)
    with pytest.raises(Corrupt):
        read(value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"version":1,"version":1}', b" " * (5 << 20)])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        parse(data, KIT, [LAYER])


def test_a_key_that_stands_twice_is_found_soon() -> None:
    many = ",".join(f'"{number}":1' for number in range(200_000))
    begun = time.process_time()
    with pytest.raises(Corrupt, match="'199999' stands twice"):
        parse(f'{{{many},"199999":1}}'.encode(), KIT, [LAYER])
    # Looking through all names for each of them took minutes.
    assert time.process_time() - begun < 10
