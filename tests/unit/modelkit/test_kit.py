"""Reading a kit's manifest and config, however large they are said to be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kitfast.errors import Corrupt
from kitfast.modelkit.kit import fetch
from kitfast.oci import digest as digests
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import Manifest
from kitfast.oci.mediatypes import OCI_MANIFEST


async def test_a_config_that_fills_the_memory_is_not_asked_for() -> None:
    config = Descriptor("application/vnd.oci.image.config.v1+json", digests.of(b""), 1 << 40)
    data = Manifest(config, ()).to_bytes()

    class Claiming:
        async def manifest(self, repository: str, reference: str) -> Any:
            found = digests.of(data)
            return SimpleNamespace(data=data, media_type=OCI_MANIFEST, digest=found)

        async def blob_bytes(self, repository: str, digest: str, size: int) -> bytes:
            raise AssertionError(f"asked for {size} bytes")

    with pytest.raises(Corrupt, match="config is larger than 4 MiB"):
        await fetch(Claiming(), references.parse("a.test/b/c:d"))  # type: ignore[arg-type]
