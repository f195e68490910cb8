"""Keeps the shape of the code: who may import whom, short files, first lines."""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "kitfast"
LONGEST_FILE = 400

# The parts from the lowest to the highest. Each may import itself and every lower one,
# but none of its own row: the store and the registry do not know each other.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "_core"),
    ("settings", "progress", "together", "tenancy"),
    ("offload",),
    ("oci",),
    ("kitfile",),
    ("store", "registry"),
    ("transfer",),
    ("modelkit",),
    ("aio",),
    ("blocking",),
    ("",),  # the package itself
    ("cli",),
    ("__main__",),
)
MAY_IMPORT: dict[str, set[str]] = {
    part: {lower for row in ROWS[:height] for lower in row}
    for height, parts in enumerate(ROWS)
    for part in parts
}
# The one part through which each heavy dependency comes in.
DOORS = {
    "aiofiles": "registry",
    "aiohttp": "registry",
    "yarl": "registry",
    "typer": "cli",
    "click": "cli",
    "rich": "cli",
    "yaml": "kitfile",
}


def part_of(module: str) -> str:
    """Returns the part of kitfast a dotted module name belongs to ('' is the package itself)."""
    names = module.split(".")
    return names[1] if len(names) > 1 and names[1] in MAY_IMPORT else ""


def python_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py*") if path.suffix in (".py", ".pyi"))


def module_of(path: Path) -> str:
    names = ["kitfast", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yields every module a file imports, at any depth, as (line, absolute dotted name)."""
    here = module_of(path).split(".")
    package = here if path.name == "__init__.py" else here[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, node.module] if node.module else base)
            for alias in node.names:
                # `from kitfast import oci` names a part; `from kitfast.oci import digest` does not.
                yield node.lineno, f"{source}.{alias.name}" if source == "kitfast" else source


@pytest.mark.parametrize("path", python_files(), ids=lambda path: module_of(path))
def test_imports_point_down(path: Path) -> None:
    part = part_of(module_of(path))
    allowed = MAY_IMPORT[part] | {part}
    wrong = [
        f"line {line}: {name}"
        for line, name in imports_of(path)
        if name.split(".")[0] == "kitfast" and part_of(name) not in allowed
    ]
    assert not wrong, f"{part or 'kitfast'} may import {sorted(allowed)} only: {wrong}"


@pytest.mark.parametrize("path", python_files(), ids=lambda path: module_of(path))
def test_heavy_dependencies_have_one_door(path: Path) -> None:
    part = part_of(module_of(path))
    wrong = [
        f"line {line}: {name}"
        for line, name in imports_of(path)
        if DOORS.get(name.split(".")[0], part) != part
    ]
    assert not wrong, f"{part or 'kitfast'} is not the door of {wrong}"


def test_every_part_is_known() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].split(".")[0] for path in python_files()}
    assert parts - {"__init__"} <= set(MAY_IMPORT), "give the new part its place in MAY_IMPORT"


def test_store_and_registry_do_not_know_each_other() -> None:
    assert "registry" not in MAY_IMPORT["store"]
    assert "store" not in MAY_IMPORT["registry"]


def test_the_walk_sees_a_wrong_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "store").mkdir()
    wrong = tmp_path / "store" / "disk.py"
    wrong.write_text("def f():\n    from ..registry import client\n    import aiohttp.web\n")
    with pytest.raises(AssertionError, match=r"kitfast\.registry"):
        test_imports_point_down(wrong)
    with pytest.raises(AssertionError, match=r"aiohttp\.web"):
        test_heavy_dependencies_have_one_door(wrong)


MAP = runpy.run_path(str(ROOT / "docs" / "map.py"))
SOURCES: list[Path] = list(MAP["sources"]())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_first_line_is_the_purpose(path: Path) -> None:
    MAP["purpose"](path)


# One module has one stub, however long.
SHORT = [path for path in SOURCES if path.suffix != ".pyi"]


@pytest.mark.parametrize("path", SHORT, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE
