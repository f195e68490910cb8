"""Puts recorded OCI layouts into a registry by plain requests, without kitfast."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from urllib.parse import urljoin


def push_layout(layout: Path, host: str, repository: str, tag: str) -> str:
    """Uploads every blob of a layout's only manifest, then the manifest; returns its digest."""
    base = f"http://{host}/v2/{repository}"
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    data = blob_path(layout, entry["digest"]).read_bytes()
    manifest = json.loads(data)
    for descriptor in {item["digest"]: item for item in parts(manifest)}.values():
        _put_blob(base, descriptor["digest"], blob_path(layout, descriptor["digest"]).read_bytes())
    _send("PUT", f"{base}/manifests/{tag}", data, entry["mediaType"])
    return str(entry["digest"])


def parts(manifest: dict[str, object]) -> list[dict[str, str]]:
    """The descriptors of a manifest: its config and its layers."""
    return [manifest["config"], *manifest["layers"]]  # type: ignore[misc,list-item]


def blob_path(layout: Path, digest: str) -> Path:
    """Where a layout keeps a blob."""
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _put_blob(base: str, digest: str, data: bytes) -> None:
    start = f"{base}/blobs/uploads/"
    place = urljoin(start, _send("POST", start, b"", None))
    mark = "&" if "?" in place else "?"
    _send("PUT", f"{place}{mark}digest={digest}", data, "application/octet-stream")


def _send(method: str, url: str, data: bytes, media_type: str | None) -> str:
    request = urllib.request.Request(url, data, method=method)
    request.add_header("Content-Type", media_type or "application/octet-stream")
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers.get("Location", ""))
