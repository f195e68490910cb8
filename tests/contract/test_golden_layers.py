"""Holds the plan of a pack to the members kit's layers have, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.golden import Case, cases

from kitfast.errors import InvalidKitfile, NotFound
from kitfast.kitfile.parser import parse
from kitfast.modelkit.layers import PlannedLayer, plan

# kit packs these as empty layers; kitfast does so only when asked to.
EMPTY = {"ignored file is an entry", "entry is a link"}
UNREADABLE = {"same path twice, spelled apart"}
PACKED = [case for case in cases() if not case.refused and case.name not in UNREADABLE]


def members(layer: PlannedLayer) -> list[list[object]]:
    return [
        [name, oct(mode), Path(source).stat().st_size if source else 0]
        for name, source, mode in layer.members
    ]


@pytest.mark.parametrize("case", PACKED, ids=lambda case: case.name)
def test_layers_have_kits_members(case: Case, tmp_path: Path) -> None:
    folder = case.lay_out(tmp_path / "tree")
    kitfile = parse(case.kitfile)
    if case.name in EMPTY:
        with pytest.raises(InvalidKitfile, match="would be empty"):
            plan(folder, kitfile)
    layers = plan(folder, kitfile, allow_empty=case.name in EMPTY)
    assert [members(layer) for layer in layers] == [
        layer["members"] for layer in case.kit["layers"]
    ]
    for layer in layers:
        assert layer.size == sum(
            Path(source).stat().st_size for _, source, _ in layer.files if source
        )


def test_missing_file_is_named(tmp_path: Path) -> None:
    case = next(case for case in cases() if case.name == "missing file")
    folder = case.lay_out(tmp_path / "tree")
    with pytest.raises(NotFound, match="gone"):
        plan(folder, parse(case.kitfile))
