"""What a Kitfile says, as frozen values, and the one table of its fields.

The table's order is the order of kit's structs: it decides the bytes of a kit's config,
and so its digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from kitfast.errors import InvalidArgument
from kitfast.oci.reference import is_kit_reference

EntryKind = Literal["model", "modelpart", "code", "dataset", "docs", "prompt"]
# A value of `parameters`: what JSON can hold, with maps sorted by key.
Value = Any

KITFILE_NAMES = ("Kitfile", "kitfile", ".kitfile")
MANIFEST_VERSION = "1.0.0"


@dataclass(frozen=True, kw_only=True)
class Package:
    """Who made the kit, and what it is called."""

    name: str = ""
    version: str = ""
    description: str = ""
    license: str = ""
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelPart:
    """A file or folder that belongs to the model: a shard, an adapter, a tokenizer."""

    name: str = ""
    path: str = ""
    license: str = ""
    type: str = ""
    digest: str = ""
    diff_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Model:
    """The model; `path` is a file, a folder, or a reference to another kit."""

    name: str = ""
    path: str = ""
    license: str = ""
    framework: str = ""
    format: str = ""
    version: str = ""
    description: str = ""
    parts: tuple[ModelPart, ...] = ()
    parameters: Value = None
    digest: str = ""
    diff_id: str = ""

    @property
    def parent(self) -> str | None:
        """The reference of the kit this model is taken from, if it is."""
        return self.path if is_kit_reference(self.path) else None


@dataclass(frozen=True, kw_only=True)
class Code:
    """A file or folder of code."""

    path: str = ""
    description: str = ""
    license: str = ""
    digest: str = ""
    diff_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A file or folder of data."""

    name: str = ""
    path: str = ""
    remote_path: str = ""
    remote_hash: str = ""
    description: str = ""
    license: str = ""
    parameters: Value = None
    digest: str = ""
    diff_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Docs:
    """A file or folder of documentation."""

    path: str = ""
    description: str = ""
    digest: str = ""
    diff_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A file or folder of prompts."""

    name: str = ""
    path: str = ""
    description: str = ""
    digest: str = ""
    diff_id: str = ""


Entry = Model | ModelPart | Code | Dataset | Docs | Prompt


@dataclass(frozen=True, kw_only=True)
class Kitfile:
    """A whole Kitfile."""

    manifest_version: str = ""
    package: Package = Package()
    model: Model | None = None
    code: tuple[Code, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    docs: tuple[Docs, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    # Kept as it is: kit of mid 2026 writes it, and its fields are still moving.
    mcp_servers: Value = None

    def entries(self) -> list[tuple[EntryKind, Entry]]:
        """Returns every entry that is a layer, in the order of the manifest's layers."""
        found: list[tuple[EntryKind, Entry]] = []
        if self.model is not None:
            if self.model.path and self.model.parent is None:
                found.append(("model", self.model))
            found.extend(("modelpart", part) for part in self.model.parts)
        found.extend(("code", code) for code in self.code)
        found.extend(("dataset", dataset) for dataset in self.datasets)
        found.extend(("docs", docs) for docs in self.docs)
        found.extend(("prompt", prompt) for prompt in self.prompts)
        return found

    def with_digests(self, layers: Sequence[tuple[str, str]]) -> Kitfile:
        """Returns the Kitfile with each entry's (digest, diffId), in the order of `entries`.

        Raises `InvalidArgument` when their numbers differ.
        """
        if len(layers) != len(self.entries()):
            raise InvalidArgument(f"{len(layers)} layers for {len(self.entries())} entries")
        return self._replaced(list(layers))

    def without_digests(self) -> Kitfile:
        """Returns the Kitfile as a person writes it."""
        return self._replaced([("", "")] * len(self.entries()))

    def _replaced(self, layers: list[tuple[str, str]]) -> Kitfile:
        filled: Iterator[Any] = iter(
            replace(entry, digest=digest, diff_id=diff_id)
            for (_, entry), (digest, diff_id) in zip(self.entries(), layers, strict=True)
        )
        model = self.model
        if model is not None:
            if model.path and model.parent is None:
                model = next(filled)
            model = replace(model, parts=tuple(next(filled) for _ in model.parts))
        return replace(
            self,
            model=model,
            code=tuple(next(filled) for _ in self.code),
            datasets=tuple(next(filled) for _ in self.datasets),
            docs=tuple(next(filled) for _ in self.docs),
            prompts=tuple(next(filled) for _ in self.prompts),
        )


@dataclass(frozen=True)
class Field:
    """One field: its key in YAML and JSON, its attribute, and what it holds.

    `holds` is "text", "texts", "value", or the class of a map; `many` makes it a list of
    such maps. An `always` field is written even when empty.
    """

    key: str
    attribute: str
    holds: str | type
    many: bool = False
    always: bool = False


def _texts(*keys: str) -> tuple[Field, ...]:
    return tuple(Field(key, key, "text") for key in keys)


_PARAMETERS = Field("parameters", "parameters", "value")

FIELDS: dict[type, tuple[Field, ...]] = {
    Kitfile: (
        Field("manifestVersion", "manifest_version", "text", always=True),
        Field("package", "package", Package),
        Field("model", "model", Model),
        Field("code", "code", Code, many=True),
        Field("datasets", "datasets", Dataset, many=True),
        Field("docs", "docs", Docs, many=True),
        Field("prompts", "prompts", Prompt, many=True),
        Field("mcpServers", "mcp_servers", "value"),
    ),
    Package: (
        *_texts("name", "version", "description", "license"),
        Field("authors", "authors", "texts"),
    ),
    Model: (
        *_texts("name", "path", "license", "framework", "format", "version", "description"),
        Field("parts", "parts", ModelPart, many=True),
        _PARAMETERS,
    ),
    ModelPart: _texts("name", "path", "license", "type"),
    Code: _texts("path", "description", "license"),
    Dataset: (
        *_texts("name", "path"),
        Field("remotePath", "remote_path", "text"),
        Field("remoteHash", "remote_hash", "text"),
        *_texts("description", "license"),
        _PARAMETERS,
    ),
    Docs: (Field("path", "path", "text", always=True), *_texts("description")),
    Prompt: _texts("name", "path", "description"),
}
# Written into the config only, after the other fields: never by hand.
LAYER_FIELDS = (Field("digest", "digest", "text"), Field("diffId", "diff_id", "text"))
ENTRY_TYPES: tuple[type, ...] = (Model, ModelPart, Code, Dataset, Docs, Prompt)
