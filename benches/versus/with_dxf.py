"""The same work by python-dxf: one stream a blob, verified."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from dxf import DXF


def main(folder: str, *blobs: str) -> None:
    """Fetches every blob that the arguments name, one after another."""
    for blob in blobs:
        address, digest, _ = blob.rsplit("=", 2)
        parts = urlsplit(address)
        repository = parts.path.removeprefix("/v2/").rsplit("/blobs/", 1)[0]
        client = DXF(parts.netloc, repository, insecure=parts.scheme == "http")
        with (Path(folder) / digest.removeprefix("sha256:")).open("wb") as file:
            for piece in client.pull_blob(digest, chunk_size=256 * 1024):
                file.write(piece)


if __name__ == "__main__":
    main(*sys.argv[1:])
