"""Guesses a Kitfile from the names in a folder: what `init` writes, as kit does."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kitfast.kitfile.filetypes import file_type
from kitfast.kitfile.licenses import recognise
from kitfast.kitfile.model import (
    KITFILE_NAMES,
    MANIFEST_VERSION,
    Code,
    Dataset,
    Docs,
    Kitfile,
    Model,
    ModelPart,
    Package,
)

_CODE_FOLDERS = frozenset({"src", "pkg", "lib", "build"})
# With more folders of unknown kind, one entry for all of them reads better.
_MAX_UNKNOWN_FOLDERS = 5


@dataclass(frozen=True)
class ListedFile:
    """A regular file; `path` is relative to the listed folder, `size` counts bytes."""

    path: str
    size: int

    @property
    def name(self) -> str:
        """The path's last part."""
        return posixpath.basename(self.path)


@dataclass(frozen=True)
class ListedFolder:
    """A folder with its files, and its folders, each sorted by name."""

    path: str = "."
    files: Sequence[ListedFile] = ()
    folders: Sequence[ListedFolder] = ()


@dataclass
class _Guess:
    """What has been found so far; the Kitfile is made of it at the end."""

    models: list[ListedFile] = field(default_factory=list)
    metadata: list[ListedFile] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    docs: list[Docs] = field(default_factory=list)
    unknown_folders: list[str] = field(default_factory=list)
    catch_all: bool = False


def generate(
    listing: ListedFolder, package: Package | None = None, license_text: str | None = None
) -> Kitfile:
    """Returns a Kitfile that takes in everything that is in `listing`.

    `license_text` is the content of the folder's licence file: where it is a well-known
    one, its SPDX name goes to the part it most likely means.
    """
    guess = _Guess()
    for file in listing.files:
        _add_file(guess, file)
    for folder in listing.folders:
        if _is_unicode(folder.path) and all(_is_unicode(file.path) for file in folder.files):
            _add_folder(guess, folder)
        else:
            guess.catch_all = True
    model = _model(guess.models)
    metadata = [file.path for file in guess.metadata]
    if model is not None:
        model = replace(model, parts=model.parts + _parts(metadata))
        metadata = []
    # Whatever is in no entry of its own is taken in by the whole folder as code.
    if guess.catch_all or len(guess.unknown_folders) > _MAX_UNKNOWN_FOLDERS:
        code = ["."]
    else:
        code = guess.code + guess.unknown_folders
    kitfile = Kitfile(
        manifest_version=MANIFEST_VERSION,
        package=package or Package(),
        model=model,
        code=tuple(Code(path=path) for path in code),
        datasets=tuple(Dataset(path=path) for path in guess.datasets + metadata),
        docs=tuple(guess.docs),
    )
    return _licensed(kitfile, recognise(license_text or ""))


def _add_file(guess: _Guess, file: ListedFile) -> None:
    name = file.name.lower()
    if file.name in KITFILE_NAMES:
        return
    if not _is_unicode(name):
        # No Kitfile can spell this name, but the whole folder takes the file in.
        guess.catch_all = True
    elif name.startswith("readme"):
        guess.docs.append(Docs(path=file.path, description="Readme file"))
    elif name.startswith("license"):
        guess.docs.append(Docs(path=file.path, description="License file"))
    else:
        found = file_type(file.path)
        if found == "model":
            guess.models.append(file)
        elif found == "metadata":
            guess.metadata.append(file)
        elif found == "docs":
            guess.docs.append(Docs(path=file.path))
        elif found == "dataset":
            guess.datasets.append(file.path)
        else:
            guess.catch_all = True


def _is_unicode(name: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _add_folder(guess: _Guess, folder: ListedFolder) -> None:
    name = posixpath.basename(folder.path)
    if name == "docs":
        guess.docs.append(Docs(path=folder.path))
        return
    if name in _CODE_FOLDERS:
        guess.code.append(folder.path)
        return
    types = {file_type(file.name) for file in folder.files} - {"metadata"}
    if folder.folders:
        types.add("unknown")
    # Models are named one by one even where a folder holds other things too.
    guess.models += [file for file in folder.files if file_type(file.name) == "model"]
    if types == {"model"}:
        guess.models += [file for file in folder.files if file_type(file.name) == "metadata"]
    elif types == {"dataset"}:
        guess.datasets.append(folder.path)
    elif types == {"docs"}:
        guess.docs.append(Docs(path=folder.path))
    else:
        guess.unknown_folders.append(folder.path)


def _model(files: list[ListedFile]) -> Model | None:
    if not files:
        return None
    largest = max(files, key=lambda file: file.size)
    average = sum(file.size for file in files) // len(files)
    # One file that stands out is the model and the others adapters; else they are shards.
    if len(files) == 1 or largest.size > average + average // 2:
        others = [file.path for file in files if file != largest]
        stem = posixpath.splitext(largest.path)[0] or largest.path
        return Model(name=stem, path=largest.path, parts=_parts(others))
    return Model(path=files[0].path, parts=_parts([file.path for file in files[1:]]))


def _parts(paths: list[str]) -> tuple[ModelPart, ...]:
    return tuple(ModelPart(path=path) for path in paths)


def _licensed(kitfile: Kitfile, name: str) -> Kitfile:
    if not name:
        return kitfile
    if kitfile.model is not None:
        return replace(kitfile, model=replace(kitfile.model, license=name))
    if len(kitfile.datasets) == 1:
        return replace(kitfile, datasets=(replace(kitfile.datasets[0], license=name),))
    if len(kitfile.code) == 1:
        return replace(kitfile, code=(replace(kitfile.code[0], license=name),))
    return replace(kitfile, package=replace(kitfile.package, license=name))
