"""Differences between kits: by layers, found in the store or where the name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitfast import aio
from kitfast.errors import NotFound

KITFILE = (
    "manifestVersion: 1.0.0\npackage:\n  name: {}\nmodel:\n  path: model\ndocs:\n  - path: doc\n"
)


async def pack(folder: Path, home: Path, tag: str, *, name: str, model: str, doc: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "Kitfile").write_text(KITFILE.format(name))
    (folder / "model").write_text(model)
    (folder / "doc").write_text(doc)
    return (await aio.pack(folder, tags=[tag], home=home)).digest


async def test_kits_that_share_a_layer(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = await pack(tmp_path / "f", home, "a:v1", name="n", model="same", doc="one")
    second = await pack(tmp_path / "f", home, "a:v2", name="n", model="same", doc="two")
    found = await aio.diff("a:v1", "local://a:v2", home=home)
    assert (found.first, found.second, found.identical) == (first, second, False)
    assert (found.same_config, found.same_annotations) == (False, True)
    kinds = [
        [layer.media_type.split(".")[-3] for layer in layers]
        for layers in (found.shared, found.only_first, found.only_second)
    ]
    assert kinds == [["model"], ["docs"], ["docs"]]
    assert found.only_first[0].digest != found.only_second[0].digest


async def test_a_kit_and_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await pack(tmp_path / "f", home, "a:v1", name="n", model="m", doc="d")
    found = await aio.diff("a:v1", "a:v1", home=home)
    assert found.identical
    assert (len(found.shared), found.only_first, found.only_second) == (2, (), ())


@pytest.mark.parametrize("name", ["a:v2", "local://127.0.0.1:1/a:v2"])
async def test_what_is_not_here_is_not_asked_for_elsewhere(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    await pack(tmp_path / "f", home, "a:v1", name="n", model="m", doc="d")
    with pytest.raises(NotFound):
        await aio.diff("a:v1", name, home=home)
