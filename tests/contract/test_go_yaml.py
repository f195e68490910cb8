"""Holds reading and writing of YAML to what go-yaml v3.0.1 made of the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kitfast.errors import InvalidKitfile
from kitfast.kitfile import json as kitfile_json
from kitfast.kitfile.parser import parse
from kitfast.kitfile.yaml import to_text

RECORDED = json.loads((Path(__file__).parents[1] / "data" / "go_yaml.json").read_text())


@pytest.mark.parametrize("case", RECORDED["written"])
def test_writes_what_go_writes(case: dict[str, Any]) -> None:
    kitfile = kitfile_json.from_bytes(json.dumps(case["config"]).encode())
    assert to_text(kitfile) == case["yaml"]


@pytest.mark.parametrize("case", RECORDED["read"], ids=lambda case: case["yaml"][-30:])
def test_reads_what_go_reads(case: dict[str, Any]) -> None:
    if case["json"] is None:
        with pytest.raises(InvalidKitfile):
            parse(case["yaml"].encode())
    else:
        assert kitfile_json.to_bytes(parse(case["yaml"].encode())).decode() == case["json"]
