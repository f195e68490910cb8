"""A kit whose model is that of another kit, and what is asked of both."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.support import folders
from tests.support.commands import Kitfast
from tests.support.faults import FaultyRegistry


def test_by_digest_no_published_list_is_used_for_a_parent_either(
    kitfast: Kitfast, other: Kitfast, tmp_path: Path
) -> None:
    base, child = tmp_path / "base", tmp_path / "child"
    for name in ("w/a.bin", "w/b.bin"):
        folders.write(base / name, os.urandom(2_000_000))
    folders.write(base / "Kitfile", b"manifestVersion: 1.0.0\nmodel: {path: w}\n")
    folders.write(child / "c" / "x.py", b"pass\n")
    with FaultyRegistry() as registry:
        parent = f"{registry.host}/some/base:v0"
        text = f"manifestVersion: 1.0.0\nmodel: {{path: '{parent}'}}\ncode: [{{path: c}}]\n"
        folders.write(child / "Kitfile", text.encode())
        kitfast.run("push", base, parent, "--plain-http")
        tag = f"{registry.host}/some/child:v1"
        pushed = kitfast.run("push", child, tag, "--plain-http", "--format", "json")
        exact = tag.replace(":v1", f"@{json.loads(pushed.stdout)['digest']}")
        for reference, more, verified in (
            (tag, (), "file"),
            (tag, ("--no-file-digests",), "layer"),
            (exact, (), "layer"),
            (exact, ("--file-digests",), "file"),
        ):
            target = tmp_path / "target"
            words = ("unpack", reference, "-d", target, "-o", "--include", "a.bin", *more)
            done = other.run(*words, "--plain-http", "--format", "json")
            assert json.loads(done.stdout)["verified"] == verified, (reference, more)
            assert folders.tree(target).keys() == {"w", "w/a.bin"}
