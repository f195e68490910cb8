"""Holds the Kitfile that is written back to kit's YAML, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.golden import GOLDEN, Case, cases, grow

from kitfast.kitfile import json as kitfile_json
from kitfast.kitfile.generate import generate
from kitfast.kitfile.model import Package
from kitfast.kitfile.parser import parse
from kitfast.kitfile.yaml import node_text, to_text
from kitfast.modelkit.listing import list_folder

UNPACKED = [case for case in cases() if "Kitfile" in case.kit.get("unpacked", {})]
COMMANDS = json.loads((GOLDEN / "cli.json").read_text())


@pytest.mark.parametrize("case", UNPACKED, ids=lambda case: case.name)
def test_kitfile_is_written_as_kit_unpacks_it(case: Case) -> None:
    written = to_text(kitfile_json.from_bytes(case.config))
    assert written == case.kit["unpacked"]["Kitfile"]
    again = parse(written.encode())
    if case.name != "parameters":  # There kit turns 12345678901234567890 into a float.
        assert again == kitfile_json.from_bytes(case.config).without_digests()


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c["args"][0] == "info" and "-r" not in c["args"]],
    ids=lambda command: " ".join(command["args"]),
)  # fmt: skip
def test_info_prints_what_kit_prints(command: dict[str, object]) -> None:
    kitfile = parse((GOLDEN / "artifacts/tree/Kitfile").read_bytes())
    args = command["args"]
    assert isinstance(args, list)
    text = node_text(kitfile, args[3]) if "--filter" in args else to_text(kitfile)
    assert text == command["stdout"]


def test_init_writes_what_kit_writes(tmp_path: Path) -> None:
    for name in ("Kitfile", "LICENSE", "README.md", "config.json", "data.csv", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("m.gguf", "model-2.safetensors", "model.onnx", "x.pkl", "y.pt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "model.safetensors").write_bytes(grow("m", 99))
    (tmp_path / "run.sh").write_bytes(b"x")
    package = Package(name="n", description="d", authors=("a",))
    (command, _) = (command for command in COMMANDS if command["args"][0] == "init")
    assert to_text(generate(list_folder(tmp_path), package)) == command["Kitfile"]
