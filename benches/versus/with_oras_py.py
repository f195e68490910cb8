"""The same work by oras-py: one stream a blob, nothing verified."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import oras.client


def main(folder: str, *blobs: str) -> None:
    """Fetches every blob that the arguments name, one after another."""
    for blob in blobs:
        address, digest, _ = blob.rsplit("=", 2)
        parts = urlsplit(address)
        repository = parts.path.removeprefix("/v2/").rsplit("/blobs/", 1)[0]
        client = oras.client.OrasClient(insecure=parts.scheme == "http")
        path = Path(folder) / digest.removeprefix("sha256:")
        client.download_blob(f"{parts.netloc}/{repository}", digest, str(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
