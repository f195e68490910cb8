"""Tests the guesses of `init`, by kit's own examples and the licences people use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kitfast.errors import NotFound
from kitfast.kitfile.generate import generate
from kitfast.kitfile.licenses import recognise
from kitfast.kitfile.model import Code, Dataset, Docs, Kitfile, Model, ModelPart
from kitfast.kitfile.parser import parse
from kitfast.kitfile.yaml import to_bytes
from kitfast.modelkit.layers import plan
from kitfast.modelkit.listing import license_text, list_folder

MIT = """MIT License

Copyright (c) 2026 Ann

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files, to deal in the Software.
The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.
"""


def guessed(folder: Path, files: dict[str, int]) -> Kitfile:
    for name, size in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    listing = list_folder(folder)
    kitfile = generate(listing, None, license_text(folder, listing))
    # What is guessed can be packed, and takes in every file.
    layers = plan(folder, parse(to_bytes(kitfile)))
    packed = {name for layer in layers for name, source, _ in layer.members if source}
    assert packed == set(files) - {"Kitfile"}
    return kitfile


def test_folders_by_name_and_content(tmp_path: Path) -> None:
    names = ["src/a.sh", "pkg/a.sh", "lib/a.sh", "build/a.sh", "docs/a", "data/1.zip", "data/2.zip"]
    names += ["data/z.json", "texts/1.md", "texts/2.pdf", "mixed/a.md", "mixed/b.csv"]
    names += ["models/1.gguf", "models/2.gguf", "models/z.json"]
    kitfile = guessed(tmp_path, dict.fromkeys(names, 5))
    assert kitfile.model == Model(
        path="models/1.gguf",
        parts=(ModelPart(path="models/2.gguf"), ModelPart(path="models/z.json")),
    )
    assert kitfile.datasets == (Dataset(path="data"),)
    assert kitfile.docs == (Docs(path="docs"), Docs(path="texts"))
    assert kitfile.code == tuple(Code(path=p) for p in ("build", "lib", "pkg", "src", "mixed"))


def test_largest_file_is_the_model_when_it_stands_out(tmp_path: Path) -> None:
    files = {"a.safetensors": 10, "b.safetensors": 100, "tokenizer.json": 5}
    assert guessed(tmp_path, files).model == Model(
        name="b",
        path="b.safetensors",
        parts=(ModelPart(path="a.safetensors"), ModelPart(path="tokenizer.json")),
    )


def test_metadata_without_a_model_is_data(tmp_path: Path) -> None:
    kitfile = guessed(tmp_path, {"a.json": 1, "b.csv": 1, "Kitfile": 1})
    assert kitfile.model is None
    assert kitfile.datasets == (Dataset(path="b.csv"), Dataset(path="a.json"))


def test_what_is_unknown_goes_with_the_whole_folder(tmp_path: Path) -> None:
    kitfile = guessed(tmp_path, {"run": 1, "src/a.py": 1, "m.bin": 1})
    assert kitfile.code == (Code(path="."),)
    many = guessed(tmp_path / "many", {f"folder{n}/a/b": 1 for n in range(6)})
    assert many.code == (Code(path="."),)
    few = guessed(tmp_path / "few", {f"folder{n}/a/b": 1 for n in range(5)})
    assert [code.path for code in few.code] == [f"folder{n}" for n in range(5)]


def test_names_that_are_not_text_go_with_the_whole_folder(tmp_path: Path) -> None:
    broken = os.fsdecode(b"w\xff.bin")
    kitfile = guessed(tmp_path, {broken: 1, f"m/{broken}": 1, "m/a.bin": 1, "a.csv": 1})
    assert kitfile == Kitfile(
        manifest_version="1.0.0", code=(Code(path="."),), datasets=(Dataset(path="a.csv"),)
    )


@pytest.mark.parametrize(
    ("others", "where"),
    [
        (["m.bin"], "model"),
        (["d.csv"], "datasets"),
        (["src/a"], "code"),
        (["README.md"], "package"),
        (["d.csv", "e.csv"], "package"),
    ],
)
def test_licence_goes_where_it_is_most_likely_meant(
    tmp_path: Path, others: list[str], where: str
) -> None:
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "LICENSE.txt").write_text(MIT)
    listing = list_folder(tmp_path)
    kitfile = generate(listing, None, license_text(tmp_path, listing))
    found = getattr(kitfile, where)
    assert (found[0] if isinstance(found, tuple) else found).license == "MIT"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MIT, "MIT"),
        ("Apache License\nVersion 2.0, January 2004\n2. Grant of  Patent License.", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007", "GPL-3.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE Version 3, 29 June 2007", "LGPL-3.0"),
        ("All rights reserved.", ""),
        ("", ""),
    ],
)
def test_licences_are_recognised(text: str, name: str) -> None:
    assert recognise(text) == name


def test_listing_leaves_out_what_a_pack_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("nowhere")
    (tmp_path / ".kitfast-1").mkdir()
    listing = list_folder(tmp_path)
    assert (list(listing.files), list(listing.folders)) == ([], [])
    assert license_text(tmp_path, listing) is None
    with pytest.raises(NotFound):
        list_folder(tmp_path / "gone")
