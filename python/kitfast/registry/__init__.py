"""Registries: manifests, blobs and uploads over HTTP, and how to be let in."""

from __future__ import annotations

from . import authorities

authorities.import_aiohttp()  # before what imports it as it is

from .blobs import BlobStream  # noqa: E402
from .client import Fetched, Registry  # noqa: E402
from .credentials import Credentials, Login  # noqa: E402
from .uploads import Upload  # noqa: E402

__all__ = ["BlobStream", "Credentials", "Fetched", "Login", "Registry", "Upload"]
