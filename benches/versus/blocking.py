"""Fetches blobs as simply as can be: blocking sockets, hashlib, few threads.

`blocking.py FOLDER ADDRESS=DIGEST=SIZE…` fetches each blob into FOLDER and verifies it;
$BLOCKING_THREADS (1 by default) fetch side by side. Existing files are overwritten in
place, so that a bench can leave the first touch of memory out of what it compares.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

BUFFER = 256 * 1024


def fetch(address: str, digest: str, path: Path) -> None:
    """Fetches one blob, following redirects, and checks its digest."""
    while True:
        parts = urlsplit(address)
        host = parts.netloc
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(host, context=ssl.create_default_context())
        else:
            connection = http.client.HTTPConnection(host)
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        answer = connection.getresponse()
        if answer.status not in (301, 302, 307, 308):
            break
        address = answer.headers["Location"]
        connection.close()
    if answer.status != 200:
        raise SystemExit(f"{address}: {answer.status}")
    buffer = memoryview(bytearray(BUFFER))
    hashed = hashlib.sha256()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    while count := answer.readinto(buffer):
        piece = buffer[:count]
        hashed.update(piece)
        os.write(handle, piece)
    os.close(handle)
    if "sha256:" + hashed.hexdigest() != digest:
        raise SystemExit(f"{address}: wrong digest")


def main(folder: str, *blobs: str) -> None:
    """Fetches every blob that the arguments name."""
    with ThreadPoolExecutor(int(os.environ.get("BLOCKING_THREADS", "1"))) as threads:
        jobs = []
        for blob in blobs:
            address, digest, _ = blob.rsplit("=", 2)
            path = Path(folder) / digest.removeprefix("sha256:")
            jobs.append(threads.submit(fetch, address, digest, path))
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
