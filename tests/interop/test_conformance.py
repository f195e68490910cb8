"""Runs the OCI conformance suite against the embedded registry."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from tests.support.shelf import MemoryShelf

from kitfast.registry.serve import Server

pytestmark = pytest.mark.interop


async def test_the_conformance_suite_passes(tmp_path: Path) -> None:
    program = shutil.which("conformance")
    if program is None:
        pytest.skip("needs the OCI distribution conformance suite: make interop builds it")
    async with Server(MemoryShelf(), tmp_path / "uploads") as server:
        process = await asyncio.create_subprocess_exec(
            program,
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "OCI_REGISTRY": server.host,
                "OCI_TLS": "disabled",
                "OCI_VERSION": "1.1",
                "OCI_REPO1": "conformance/one",
                "OCI_REPO2": "conformance/two",
                "OCI_DATA_SHA512": "false",
                "OCI_RESULTS_DIR": str(tmp_path),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 120)
    text = output.decode()
    assert process.returncode == 0, text
    assert "OCI Conformance Test: Pass" in text and ": Fail" not in text
